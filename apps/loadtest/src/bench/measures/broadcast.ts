import { setTimeout as sleep } from 'node:timers/promises';
import { medianOf, quietMeanOf } from '../readings.js';
import type { Scene, StagedMeasure } from './measure.js';

const NEWS = JSON.stringify({ event: 'news', data: { text: 'the quick brown fox', at: 1 } });

/** One message to everybody, until the last one has it. */
export const broadcast: StagedMeasure = {
  name: 'broadcast',
  stage: 'crowd',
  finds: 'CPU and longest stall of a message to everybody',
  servers: ['ws', 'nest', 'socket-io', 'heartbeat'],
  async take(scene) {
    const cpu: number[] = [];
    const stalls: number[] = [];
    for (let turn = 0; turn < scene.plan.broadcasts; turn += 1) {
      cpu.push(await cpuOf(scene));
      await scene.server.ask('watchLoop');
      await send(scene);
      stalls.push(await scene.server.ask('longestStall'));
    }
    return { broadcastCpu: quietMeanOf(cpu), broadcastStall: medianOf(stalls) };
  },
};

/** What the broadcast costs beyond what the server uses anyhow: some of them beat meanwhile. */
async function cpuOf(scene: Scene): Promise<number> {
  const atRest = await spend(scene, () => sleep(scene.plan.restMs));
  const sending = await spend(scene, () => send(scene));
  return sending.cpuMs - (atRest.cpuMs / atRest.ms) * sending.ms;
}

async function spend({ server }: Scene, act: () => Promise<void>): Promise<{ cpuMs: number; ms: number }> {
  const [from, at] = [await server.ask('sample'), performance.now()];
  await act();
  const to = await server.ask('sample');
  return { cpuMs: to.cpuMs - from.cpuMs, ms: performance.now() - at };
}

async function send({ server, crowd }: Scene): Promise<void> {
  const { messages, open } = await crowd.counts();
  const wanted = messages + open;
  await server.ask('broadcast', NEWS);
  const giveUpAt = performance.now() + 20_000;
  while ((await crowd.counts()).messages < wanted) {
    if (performance.now() > giveUpAt) {
      const { messages: reached, open: left } = await crowd.counts();
      throw new Error(`a broadcast reached ${reached - messages} of ${open}, of whom ${left} are there`);
    }
    await sleep(20);
  }
}
