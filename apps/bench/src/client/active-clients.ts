import type { BenchClient } from './bench-client.js';

const TICK_MS = 20;
const TICKS_PER_SECOND = 1000 / TICK_MS;

/** Clients that send a message each second, spread evenly over it. */
export class ActiveClients {
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt = performance.now();
  #tick = 0;

  constructor(clients: readonly BenchClient[], message: Buffer) {
    this.#timer = setInterval(() => {
      // A timer that comes late catches up, so that the pace holds.
      const due = Math.floor((performance.now() - this.#startedAt) / TICK_MS);
      for (; this.#tick < due; this.#tick += 1) {
        for (let at = this.#tick % TICKS_PER_SECOND; at < clients.length; at += TICKS_PER_SECOND) {
          const client = clients[at];
          if (client?.isOpen) client.send(message);
        }
      }
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
