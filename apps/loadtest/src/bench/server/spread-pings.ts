import type { WebSocket, WebSocketServer } from 'ws';

const TICK_MS = 10;

/**
 * The least that keeps connections alive without a burst: each is pinged once in an interval, evenly spread, and nobody looks at
 * the answers. No server of this bench is built so: it shows what any heartbeat costs on this machine that stalls nobody.
 */
export class SpreadPings {
  #round: Iterator<WebSocket>;
  #due = 0;

  constructor(server: WebSocketServer, intervalMs: number) {
    this.#round = server.clients.values();
    setInterval(() => {
      this.#due += (server.clients.size * TICK_MS) / intervalMs;
      for (; this.#due >= 1; this.#due -= 1) {
        const next = this.#round.next();
        if (next.done === true) this.#round = server.clients.values();
        else next.value.ping();
      }
    }, TICK_MS);
  }
}
