import { setTimeout as sleep } from 'node:timers/promises';
import type { Remote } from '../remote.js';
import type { ServerProcess } from '../server/server-process.js';
import type { StagedMeasure } from './measure.js';

/** The share of a core that a server takes without a connection, and with a few idle ones at the default interval. */
export const rest: StagedMeasure = {
  name: 'rest',
  stage: 'resting',
  finds: 'CPU without a connection, and with 100 idle ones at the default interval',
  servers: ['ws-spread', 'nest', 'heartbeat'],
  async take({ server, plan, addClients }) {
    const restCpu = await shareOfCore(server, plan.restMs, plan.restWindowMs);
    const idle = addClients(plan.idleConnections);
    await idle.open();
    const idleCpu = await shareOfCore(server, plan.restMs, plan.restWindowMs);
    await idle.leave();
    await idle.end();
    return { restCpu, idleCpu };
  },
};

async function shareOfCore(server: Remote<ServerProcess>, settleMs: number, windowMs: number): Promise<number> {
  await sleep(settleMs);
  const [from, begun] = [await server.ask('sample'), performance.now()];
  await sleep(windowMs);
  const [to, ended] = [await server.ask('sample'), performance.now()];
  return ((to.cpuMs - from.cpuMs) / (ended - begun)) * 100;
}
