import type { WebSocketServer } from 'ws';

const TICK_MS = 10;
/** After so many whatever waits has its turn. */
const PINGS_PER_TURN = 3;

/**
 * The least that pings without a burst: each once in an interval (a little less often where the timer is late), evenly spread, and
 * nobody looks at the answers. Nobody should build it so: it shows what any heartbeat costs on this machine that stalls nobody.
 */
export function spreadPings(server: WebSocketServer, intervalMs: number): void {
  let round = server.clients.values();
  let due = 0;
  const turn = (): void => {
    for (let pings = 0; due >= 1; pings += 1, due -= 1) {
      if (pings === PINGS_PER_TURN) return void setImmediate(turn);
      const next = round.next();
      if (next.done === true) round = server.clients.values();
      else next.value.ping();
    }
  };
  setInterval(() => {
    due += (server.clients.size * TICK_MS) / intervalMs;
    turn();
  }, TICK_MS);
}
