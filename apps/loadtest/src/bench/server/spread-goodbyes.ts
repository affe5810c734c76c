import type { WebSocketServer } from 'ws';
import { monotonicMs } from '../../clock.js';

const TICK_MS = 10;
const SPREAD_MS = 5000;

/** The least that says goodbye to everybody: evenly over the time that ours takes by default, what is due every 10 ms at once. */
export function spreadGoodbyes({ clients }: WebSocketServer): {
  readonly startedAt: number;
  readonly spreadMs: number;
} {
  const startedAt = monotonicMs();
  const all = [...clients];
  let told = 0;
  const timer = setInterval(() => {
    const due = Math.min(1, (monotonicMs() - startedAt) / SPREAD_MS) * all.length;
    for (; told < due; told += 1) all[told]?.close(1001);
    if (told === all.length) clearInterval(timer);
  }, TICK_MS);
  return { startedAt, spreadMs: SPREAD_MS };
}
