import type { WebSocketServer } from 'ws';
import { monotonicMs } from '../../../loadtest/src/clock.js';

const TICK_MS = 10;

/** The least that says goodbye to everybody: evenly over the time, what is due every 10 ms at once. Answers when it began. */
export function spreadGoodbyes({ clients }: WebSocketServer, spreadMs: number): number {
  const startedAt = monotonicMs();
  const all = [...clients];
  let told = 0;
  const timer = setInterval(() => {
    const due = Math.min(1, (monotonicMs() - startedAt) / spreadMs) * all.length;
    for (; told < due; told += 1) all[told]?.close(1001);
    if (told === all.length) clearInterval(timer);
  }, TICK_MS);
  return startedAt;
}
