import { inSlices } from '../slices.js';
import type { Connection } from './connection.js';

/**
 * A message to many, sent in slices: thousands of writes in one turn would hold the event loop for as many times ten
 * microseconds. Nobody can tell from outside: whoever is sent something else meanwhile, or is closed, gets this message first.
 * One is under way at a time; the next one sends what is left of it at once, so nothing piles up.
 */
export class Broadcast {
  #left = new Set<Connection>();
  #payload: Buffer = NOTHING;
  #isBinary = false;

  /** Sends to all of `targets`; the first slice has gone out when it returns. */
  start(payload: string | Buffer, targets: Iterable<Connection>): void {
    for (const connection of this.#left) this.catchUp(connection);
    // Encoded once for all; and the app may write into its buffer again as soon as this has returned.
    this.#payload = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload);
    this.#isBinary = typeof payload !== 'string';
    const left = (this.#left = new Set(targets));
    void inSlices(left, connection => {
      // What this one has not sent, the next one has.
      if (left === this.#left) this.catchUp(connection);
    });
  }

  /** Sends what `connection` has still to get, before anything else is done with it. */
  catchUp(connection: Connection): void {
    if (!this.#left.delete(connection)) return;
    const payload = this.#payload;
    if (this.#left.size === 0) this.#payload = NOTHING;
    connection.socket.send(payload, { binary: this.#isBinary });
  }
}

const NOTHING = Buffer.alloc(0);
