import { setTimeout as sleep } from 'node:timers/promises';
import type { StagedMeasure } from './measure.js';

/** The server's event loop is held for longer than the time limit of a pong, while all clients respond as always. */
export const stalls: StagedMeasure = {
  name: 'stalls',
  stage: 'connected',
  finds: 'share of healthy clients that a server ends because its own event loop was held for 2.5 s, three times',
  servers: ['ws-recipe', 'nest-recipe', 'socket-io', 'nest-io', 'heartbeat', 'heartbeat-io'],
  async take({ server, clients, plan }) {
    const before = await clients.counts();
    for (let stall = 0; stall < plan.stalls; stall += 1) {
      await server.ask('block', plan.stallMs);
      // Clients that are judged dead are ended by now, also those that were pinged right after the stall.
      await sleep(plan.intervalMs * 1.3);
    }
    const after = await clients.counts();
    return { lost: ((before.open - after.open) / before.open) * 100 };
  },
};
