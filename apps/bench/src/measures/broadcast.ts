import { setTimeout as sleep } from 'node:timers/promises';
import { medianOf, quietMeanOf } from '../readings.js';
import type { Scene, StagedMeasure } from './measure.js';

const NEWS = JSON.stringify({ event: 'news', data: { text: 'the quick brown fox', at: 1 } });

/** One message to all clients, until the last one has it. */
export const broadcast: StagedMeasure = {
  name: 'broadcast',
  stage: 'connected',
  finds: 'CPU and longest stall of a message to all clients',
  servers: ['ws', 'nest', 'socket-io', 'heartbeat'],
  async take(scene) {
    const atRest: Spent[] = [];
    const sending: Spent[] = [];
    const stalls: number[] = [];
    for (let turn = 0; turn < scene.plan.broadcasts; turn += 1) {
      atRest.push(await spend(scene, () => sleep(scene.plan.restMs)));
      sending.push(await spend(scene, () => send(scene)));
      await scene.server.ask('watchLoop');
      await send(scene);
      stalls.push(await scene.server.ask('longestStall'));
    }
    // The cost beyond the server's use at rest: some servers send heartbeats meanwhile.
    const restRate = quietMeanOf(atRest.map(({ cpuMs, ms }) => cpuMs / ms));
    return {
      broadcastCpu: quietMeanOf(sending.map(({ cpuMs, ms }) => cpuMs - restRate * ms)),
      broadcastStall: medianOf(stalls),
    };
  },
};

interface Spent {
  readonly cpuMs: number;
  readonly ms: number;
}

async function spend({ server }: Scene, act: () => Promise<void>): Promise<Spent> {
  const [from, at] = [await server.ask('sample'), performance.now()];
  await act();
  const to = await server.ask('sample');
  return { cpuMs: to.cpuMs - from.cpuMs, ms: performance.now() - at };
}

async function send({ server, clients }: Scene): Promise<void> {
  const { messages, open } = await clients.counts();
  const wanted = messages + open;
  await server.ask('broadcast', NEWS);
  const giveUpAt = performance.now() + 20_000;
  while ((await clients.counts()).messages < wanted) {
    if (performance.now() > giveUpAt) {
      const { messages: reached, open: left } = await clients.counts();
      throw new Error(`a broadcast reached ${reached - messages} of ${open}, of which ${left} are open`);
    }
    await sleep(20);
  }
}
