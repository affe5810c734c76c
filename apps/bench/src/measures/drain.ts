import { setTimeout as sleep } from 'node:timers/promises';
import type { StagedMeasure } from './measure.js';

const GIVE_UP_MS = 60_000;

/** All connections are closed, spread as planned. The last measure of its stage, because no connection is left. */
export const drain: StagedMeasure = {
  name: 'drain',
  stage: 'connected',
  finds: 'how far a drain is from its plan at worst, and its longest stall',
  servers: ['ws', 'nest', 'heartbeat'],
  async take({ plan, server, clients }) {
    const { open } = await clients.counts();
    // Or a collection of what other measures left behind would fall into it.
    await server.ask('collect');
    await server.ask('watchLoop');
    const startedAt = await server.ask('drain');
    const giveUpAt = performance.now() + GIVE_UP_MS;
    while ((await clients.counts()).open > 0) {
      if (performance.now() > giveUpAt) throw new Error('the drain did not end');
      await sleep(100);
    }
    const drainStall = await server.ask('longestStall');
    const closedAt = await clients.closedAt();
    // By plan the nth close comes when n of all shares of the time have passed.
    const farthest = closedAt.map((at, index) =>
      Math.abs((at - startedAt) / plan.drainSpreadMs - (index + 0.5) / open),
    );
    return { drainPace: Math.max(...farthest) * 100, drainStall };
  },
};
