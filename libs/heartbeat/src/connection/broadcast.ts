import { inSlices } from '../slices.js';
import type { Connection } from './connection.js';
import { SharedMessage } from './shared-message.js';
import type { TrackedSocket } from './tracked-socket.js';

/**
 * A message to many, sent in slices: thousands of writes in one turn would hold the event loop for as many times ten
 * microseconds. Nobody can tell from outside: whoever is sent something else meanwhile, or is closed, gets this message first.
 * One is under way at a time; the next one sends what is left of it at once, so nothing piles up.
 */
export class Broadcast {
  #left = new Set<Connection>();
  #message: SharedMessage | null = null;

  /** Sends to all of `targets`; the first slice has gone out when it returns. */
  start(payload: string | Buffer, targets: Iterable<Connection>): void {
    // Whoever is told of a slow client meanwhile may have begun one more.
    while (this.#left.size > 0) for (const connection of this.#left) this.catchUp(connection);
    const left = (this.#left = new Set(targets));
    if (left.size === 0) return;
    this.#message = new SharedMessage(payload);
    void inSlices(left, connection => {
      // What this one has not sent, the next one has.
      if (left === this.#left) this.catchUp(connection);
    });
  }

  /** Sends what `connection` has still to get, before anything else is done with it. */
  catchUp(connection: Connection): void {
    const message = this.#message;
    if (message === null || !this.#left.delete(connection)) return;
    if (this.#left.size === 0) this.#message = null;
    (connection.socket as TrackedSocket).sendShared(message);
  }
}
