import { Injectable } from '@nestjs/common';

import type { Connection } from '../connection/connection.js';

/** So much is held at most. */
const MAX_HELD_BYTES = 2048;

/**
 * Answers to messages of one read, which leave in one write: while messages wait their turn, and where several handlers of a
 * connection are in flight, since those that are as far may answer in the same turn. Other messages are not held: what is held counts
 * as waiting.
 */
@Injectable()
export class HeldAnswers {
  readonly #corked = new Set<Connection>();
  /** Whether a call of `releaseAll` is certain. */
  #isOpen = false;

  /** Holds answers from now on, until `releaseAll`. */
  open(): void {
    this.#isOpen = true;
  }

  /** Holds what is written to this connection from now on, where there is something to hold it for. */
  hold(connection: Connection): void {
    const { inFlight, transport } = connection;
    if (!this.#isOpen) {
      if (inFlight <= 1) return;
      this.#isOpen = true;
      // After the promises of the handlers that are as far.
      process.nextTick(this.releaseAll);
    }
    if (!this.#corked.has(connection)) {
      this.#corked.add(connection);
      transport.cork();
    } else if (transport.bytesWaiting >= MAX_HELD_BYTES) {
      transport.uncork();
      transport.cork();
    }
  }

  release(connection: Connection): void {
    if (this.#corked.size > 0 && this.#corked.delete(connection)) connection.transport.uncork();
  }

  readonly releaseAll = (): void => {
    this.#isOpen = false;
    if (this.#corked.size === 0) return;
    for (const { transport } of this.#corked) transport.uncork();
    this.#corked.clear();
  };
}
