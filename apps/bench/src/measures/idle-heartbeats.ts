import { setTimeout as sleep } from 'node:timers/promises';
import type { StagedMeasure } from './measure.js';

/** All that the process uses while nothing happens but heartbeats, for those that its clients got. */
export const idleHeartbeats: StagedMeasure = {
  name: 'idle',
  stage: 'connected',
  finds: 'CPU for 1,000 heartbeats while nothing else happens',
  servers: ['ws-recipe', 'ws-spread', 'nest-recipe', 'socket-io', 'nest-io', 'heartbeat', 'heartbeat-io'],
  async take({ server, clients, plan }) {
    const [from, before] = [await server.ask('sample'), await clients.counts()];
    await sleep(plan.windowMs);
    const [to, after] = [await server.ask('sample'), await clients.counts()];
    return { idleHeartbeats: ((to.cpuMs - from.cpuMs) * 1000) / (after.pings - before.pings) };
  },
};
