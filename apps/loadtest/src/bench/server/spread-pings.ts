import type { WebSocketServer } from 'ws';

const TICK_MS = 10;

/**
 * The least that pings without a burst: each once in an interval (a little less often where the timer is late), evenly spread, and
 * nobody looks at the answers. Nobody should build it so: it shows what any heartbeat costs on this machine that stalls nobody.
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
