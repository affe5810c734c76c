import type { Connection } from '../connection/connection.js';

/** So much is held at most. */
const MAX_HELD_BYTES = 2048;

/** Answers to messages of one read, which leave in one write. Nothing else is held, since what is held counts as waiting. */
export class HeldAnswers {
  readonly #corked = new Set<Connection>();

  /** Holds what is written to this connection from now on. */
  hold(connection: Connection): void {
    const { network } = connection;
    if (!this.#corked.has(connection)) {
      this.#corked.add(connection);
      network.cork();
    } else if (network.writableLength >= MAX_HELD_BYTES) {
      network.uncork();
      network.cork();
    }
  }

  release(connection: Connection): void {
    if (this.#corked.delete(connection)) connection.network.uncork();
  }

  releaseAll(): void {
    if (this.#corked.size === 0) return;
    for (const { network } of this.#corked) network.uncork();
    this.#corked.clear();
  }
}
