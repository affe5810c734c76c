import { Injectable } from '@nestjs/common';

import type { Connection } from '../connection/connection.js';

/** Maximum of held bytes. */
const MAX_HELD_BYTES = 2048;

/**
 * Holds answers to messages of one read and sends them in one write: while messages wait for their turn, and where several handlers of a
 * connection are in flight, since those at the same stage may answer in the same turn. Other messages are not held. Held bytes count as
 * waiting.
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

  /** Holds bytes written to this connection from now on, where there is a reason. */
  hold(connection: Connection): void {
    const { inFlight, channel } = connection;
    if (!this.#isOpen) {
      if (inFlight <= 1) return;
      this.#isOpen = true;
      // After the promises of the handlers at the same stage.
      process.nextTick(this.releaseAll);
    }
    if (!this.#corked.has(connection)) {
      this.#corked.add(connection);
      channel.cork();
    } else if (channel.bytesWaiting >= MAX_HELD_BYTES) {
      channel.uncork();
      channel.cork();
    }
  }

  release(connection: Connection): void {
    if (this.#corked.size > 0 && this.#corked.delete(connection)) connection.channel.uncork();
  }

  readonly releaseAll = (): void => {
    this.#isOpen = false;
    if (this.#corked.size === 0) return;
    for (const { channel } of this.#corked) channel.uncork();
    this.#corked.clear();
  };
}
