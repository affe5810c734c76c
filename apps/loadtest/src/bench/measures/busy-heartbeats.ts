import { setTimeout as sleep } from 'node:timers/promises';
import { medianOf, quietMeanOf } from '../readings.js';
import type { Scene, StagedMeasure } from './measure.js';

/**
 * What heartbeats cost while 30 % of the connections send a message each second: the CPU with them less the CPU without, in
 * the same process, switched off and on in turn, since two processes differ by more than what is looked for. Of each the quieter half
 * of the windows is taken first: what neighbours add to the others then falls out, where it would spoil a difference of two.
 */
export const busyHeartbeats: StagedMeasure = {
  name: 'busy',
  stage: 'crowd',
  finds: 'CPU of the heartbeats, in all and for 1,000, while 30 % of the connections talk',
  servers: ['ws-recipe', 'ws-spread', 'nest-recipe', 'heartbeat'],
  async take(scene) {
    const { server, crowd, plan } = scene;
    await crowd.talk(plan.busyShare);
    const on: Observed[] = [];
    const off: Observed[] = [];
    for (let turn = 0; turn < plan.busySwitches; turn += 1) {
      // Now one first, now the other: what drifts while they are compared evens out.
      for (const beats of turn % 2 === 0 ? [true, false] : [false, true]) {
        (beats ? on : off).push(await observe(scene, beats));
      }
    }
    await server.ask('beat', true);
    await crowd.hush();
    // Whoever was not asked meanwhile is asked before the next measure begins.
    await sleep(plan.intervalMs * 1.3);
    const cpuMs = quietMeanOf(on.map(seen => seen.cpuMs)) - quietMeanOf(off.map(seen => seen.cpuMs));
    const pings = medianOf(on.map(seen => seen.pings)) - medianOf(off.map(seen => seen.pings));
    return { busyHeartbeats: (cpuMs * 1000) / pings, busyTotal: (cpuMs * 1000) / plan.busyWindowMs };
  },
};

interface Observed {
  readonly cpuMs: number;
  readonly pings: number;
}

/** A while to get used to heartbeats or none, then a window. */
async function observe({ server, crowd, plan }: Scene, beats: boolean): Promise<Observed> {
  await server.ask('beat', beats);
  await sleep(plan.intervalMs / 2);
  const [from, before] = [await server.ask('sample'), await crowd.counts()];
  await sleep(plan.busyWindowMs);
  const [to, after] = [await server.ask('sample'), await crowd.counts()];
  return { cpuMs: to.cpuMs - from.cpuMs, pings: after.pings - before.pings };
}
