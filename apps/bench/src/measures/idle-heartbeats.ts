import { setTimeout as sleep } from 'node:timers/promises';
import type { StagedMeasure } from './measure.js';

/** All that the process uses while nothing happens but heartbeats, for those that its clients got. */
export const idleHeartbeats: StagedMeasure = {
  name: 'idle',
  stage: 'crowd',
  finds: 'CPU for 1,000 heartbeats while nothing else happens',
  servers: ['ws-recipe', 'ws-spread', 'nest-recipe', 'socket-io', 'heartbeat'],
  async take({ server, crowd, plan }) {
    const [from, before] = [await server.ask('sample'), await crowd.counts()];
    await sleep(plan.windowMs);
    const [to, after] = [await server.ask('sample'), await crowd.counts()];
    return { idleHeartbeats: ((to.cpuMs - from.cpuMs) * 1000) / (after.pings - before.pings) };
  },
};
