import type { WebSocketServer } from 'ws';
import { monotonicMs } from '../../../loadtest/src/clock.js';

const TICK_MS = 10;

/** The smallest drain: closes all connections evenly over the time, those that are due every 10 ms together. Returns the time of its start. */
export function spreadCloses({ clients }: WebSocketServer, spreadMs: number): number {
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
