import type { WebSocketServer } from 'ws';

const TICK_MS = 10;

/**
 * The least that keeps connections alive without a burst: each is pinged once in an interval, evenly spread, and nobody looks at
 * the answers. No server of this bench is built so: it shows what any heartbeat costs on this machine that stalls nobody.
 */
export function spreadPings(server: WebSocketServer, intervalMs: number): void {
  let round = server.clients.values();
  let due = 0;
  setInterval(() => {
    due += (server.clients.size * TICK_MS) / intervalMs;
    for (; due >= 1; due -= 1) {
      const next = round.next();
      if (next.done === true) round = server.clients.values();
      else next.value.ping();
    }
  }, TICK_MS);
}
