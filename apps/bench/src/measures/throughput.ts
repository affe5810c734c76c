import { setTimeout as sleep } from 'node:timers/promises';
import type { StagedMeasure } from './measure.js';

/** Echoes for a second of the server's CPU: its rate on a core of its own, whatever other programs use the machine. */
export const throughput: StagedMeasure = {
  name: 'throughput',
  stage: 'empty',
  finds: 'echoes for a second of CPU, 100 connections with four on their way each',
  servers: ['ws', 'nest', 'socket-io', 'heartbeat'],
  async take({ server, plan, addClients }) {
    const busy = addClients(plan.floodConnections);
    await busy.open();
    await busy.flood(plan.floodInFlight);
    await sleep(plan.floodMs / 4);
    const [from, before] = [await server.ask('sample'), await busy.counts()];
    await sleep(plan.floodMs);
    const [to, after] = [await server.ask('sample'), await busy.counts()];
    await busy.leave();
    await busy.end();
    return { throughput: ((after.messages - before.messages) * 1000) / (to.cpuMs - from.cpuMs) };
  },
};
