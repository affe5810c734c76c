import { LoadClient, type LoadClientListener } from './load-client.js';
import type { FleetOrder } from './messages.js';
import { sourceAddress } from './target.js';

/** As long as the server itself gives a handshake (default of `limits.handshakeTimeoutMs`). */
const OPENING_TIMEOUT_MS = 10_000;

/** Opens clients no faster than asked, and with a bound on the handshakes under way. */
export class Opener {
  readonly #order: FleetOrder;
  readonly #listener: LoadClientListener;
  readonly #startedAt: number;
  readonly #opening = new Map<number, LoadClient>();
  #started = 0;
  #most: number;

  constructor(order: FleetOrder, listener: LoadClientListener, now: number) {
    this.#order = order;
    this.#listener = listener;
    this.#startedAt = now;
    this.#most = order.connections;
  }

  get opening(): number {
    return this.#opening.size;
  }

  get settled(): boolean {
    return this.#started >= this.#most && this.#opening.size === 0;
  }

  /** Begins as many handshakes as are allowed now. */
  fill(now: number): void {
    const { firstIndex, endpoint, mostOpening, openPerSecond } = this.#order;
    const due = openPerSecond === 0 ? this.#most : Math.ceil(((now - this.#startedAt) / 1000) * openPerSecond);
    while (this.#started < Math.min(this.#most, due) && this.#opening.size < mostOpening) {
      const index = firstIndex + this.#started;
      this.#started += 1;
      const source = sourceAddress(index, endpoint.address, process.platform);
      this.#opening.set(index, new LoadClient(index, endpoint, source, this.#listener));
    }
  }

  /** The client was opened or refused. */
  settle(client: LoadClient): void {
    this.#opening.delete(client.index);
  }

  /** Gives up handshakes that were never answered; the oldest are first in the map. */
  expire(now: number): void {
    for (const client of this.#opening.values()) {
      if (now - client.startedAt < OPENING_TIMEOUT_MS) return;
      client.destroy('no answer in 10 s');
    }
  }

  /** Opens no more. Returns how many were never begun. */
  abandon(): number {
    const left = this.#most - this.#started;
    this.#most = this.#started;
    for (const client of this.#opening.values()) client.destroy('not answered before the run');
    return left;
  }
}
