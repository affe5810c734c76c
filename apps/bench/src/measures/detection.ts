import { setTimeout as sleep } from 'node:timers/promises';
import { pongTimeoutOf } from '../server/bench-server.js';
import type { StagedMeasure } from './measure.js';

/** From the last byte that a client sent to the end of its socket. */
export const detection: StagedMeasure = {
  name: 'detection',
  stage: 'connected',
  finds: 'longest time from the last byte of one of 300 clients that fall silent to the end of its socket',
  servers: ['ws-recipe', 'nest-recipe', 'socket-io', 'heartbeat'],
  async take({ clients, plan }) {
    await clients.silence(plan.silent);
    const giveUpAt = performance.now() + 3 * (plan.intervalMs + 2 * pongTimeoutOf(plan.intervalMs) + 1000);
    let ends = await clients.silentEnds();
    while (ends.waiting > 0) {
      if (performance.now() > giveUpAt) throw new Error(`${ends.waiting} silent clients were never found`);
      await sleep(200);
      ends = await clients.silentEnds();
    }
    return { detection: Math.max(...ends.silencesMs) };
  },
};
