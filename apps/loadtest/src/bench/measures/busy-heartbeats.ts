import { setTimeout as sleep } from 'node:timers/promises';
import { medianOf } from '../readings.js';
import type { Scene, StagedMeasure } from './measure.js';

/**
 * What heartbeats cost while 30 % of the connections send a message each second: the CPU with them less the CPU without, in
 * the same process, switched off and on in turn, since two processes differ by more than what is looked for. Of these differences
 * the median: what a neighbour takes meanwhile falls into one of them.
 */
export const busyHeartbeats: StagedMeasure = {
  name: 'busy',
  stage: 'crowd',
  finds: 'CPU of the heartbeats, in all and for 1,000, while 30 % of the connections talk',
  servers: ['ws-recipe', 'ws-spread', 'nest-recipe', 'heartbeat'],
  async take(scene) {
    const { server, crowd, plan } = scene;
    await crowd.talk(plan.busyShare);
    const each: number[] = [];
    const inAll: number[] = [];
    for (let turn = 0; turn < plan.busySwitches; turn += 1) {
      // Now one first, now the other: what drifts while they are compared evens out.
      const first = await observe(scene, turn % 2 === 0);
      const second = await observe(scene, turn % 2 === 1);
      const [on, off] = turn % 2 === 0 ? [first, second] : [second, first];
      const cpuMs = on.cpuMs - off.cpuMs;
      each.push((cpuMs * 1000) / (on.pings - off.pings));
      inAll.push((cpuMs * 1000) / plan.busyWindowMs);
    }
    await server.ask('beat', true);
    await crowd.hush();
    // Whoever was not asked meanwhile is asked before the next measure begins.
    await sleep(plan.intervalMs * 1.3);
    return { busyHeartbeats: medianOf(each), busyTotal: medianOf(inAll) };
  },
};

/** A while to get used to heartbeats or none, then a window. */
async function observe({ server, crowd, plan }: Scene, beats: boolean): Promise<{ cpuMs: number; pings: number }> {
  await server.ask('beat', beats);
  await sleep(plan.intervalMs / 2);
  const [from, before] = [await server.ask('sample'), await crowd.counts()];
  await sleep(plan.busyWindowMs);
  const [to, after] = [await server.ask('sample'), await crowd.counts()];
  return { cpuMs: to.cpuMs - from.cpuMs, pings: after.pings - before.pings };
}
