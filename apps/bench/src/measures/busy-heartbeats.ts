import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures } from '../figures.js';
import { medianOf } from '../readings.js';
import type { ServerName } from '../server/bench-server.js';
import type { JointMeasure, Scene } from './measure.js';

/**
 * The cost of heartbeats while 30 % of the connections send a message each second: the CPU of a window with them less that of
 * the window beside it without, in the same process. The servers are alive at once and take turns, each a quarter of a minute
 * long, because other work of the machine changes more within minutes than the difference that is measured.
 */
export const busyHeartbeats: JointMeasure = {
  name: 'busy',
  stage: 'together',
  finds: 'CPU of the heartbeats, in all and for 1,000, while 30 % of the connections talk',
  servers: ['ws-recipe', 'ws-spread', 'nest-recipe', 'heartbeat'],
  async take({ plan, scenes, say }) {
    for (const { server } of scenes) await server.ask('beat', false);
    const turns = new Map<ServerName, Observed[]>(scenes.map(({ name }) => [name, []]));
    for (let turn = 0; turn < plan.busyTurns; turn += 1) {
      say(`turn ${turn + 1} of ${plan.busyTurns}`);
      // Now one first, now the other, of windows and of servers: what drifts while they are compared evens out.
      for (const scene of turn % 4 < 2 ? scenes : scenes.toReversed()) {
        turns.get(scene.name)?.push(await takeTurn(scene, turn % 2 === 0));
      }
    }
    return new Map(
      [...turns].map(([name, taken]): [ServerName, Figures] => {
        const cpuMs = medianOf(taken.map(turn => turn.cpuMs));
        const pings = medianOf(taken.map(turn => turn.pings));
        return [name, { busyHeartbeats: (cpuMs * 1000) / pings, busyTotal: (cpuMs * 1000) / plan.busyWindowMs }];
      }),
    );
  },
};

interface Observed {
  readonly cpuMs: number;
  readonly pings: number;
}

/** The difference with and without heartbeats. Before and after, there are no messages and no heartbeats. */
async function takeTurn(scene: Scene, beatsFirst: boolean): Promise<Observed> {
  const { server, clients, plan } = scene;
  await clients.talk(plan.busyShare);
  const first = await observe(scene, beatsFirst);
  const second = await observe(scene, !beatsFirst);
  await server.ask('beat', false);
  await clients.hush();
  const [on, off] = beatsFirst ? [first, second] : [second, first];
  return { cpuMs: on.cpuMs - off.cpuMs, pings: on.pings - off.pings };
}

/** A while to get used to heartbeats or none, then a window. It begins with a collected heap, so that no large collection comes within it. */
async function observe({ server, clients, plan }: Scene, beats: boolean): Promise<Observed> {
  await server.ask('beat', beats);
  await sleep(plan.intervalMs / 2);
  await server.ask('collect');
  const [from, before] = [await server.ask('sample'), await clients.counts()];
  await sleep(plan.busyWindowMs);
  const [to, after] = [await server.ask('sample'), await clients.counts()];
  return { cpuMs: to.cpuMs - from.cpuMs, pings: after.pings - before.pings };
}
