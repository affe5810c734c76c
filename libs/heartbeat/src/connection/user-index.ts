import type { Connection } from './connection.js';
import { SharedIndex } from './shared-index.js';

/**
 * Connections by user. Connections that a newer one replaces are set aside until their end. Otherwise a client that connects repeatedly,
 * and does not answer the close, would make each replacement iterate over all of its closing connections.
 */
export class UserIndex {
  readonly #current = new SharedIndex<Connection>();
  readonly #aside = new SharedIndex<Connection>();

  /** The number of entries of all users together. */
  get size(): number {
    return this.#current.size + this.#aside.size;
  }

  /** Returns false if the connection was already there. */
  add(userId: string, connection: Connection): boolean {
    return !this.#aside.has(userId, connection) && this.#current.add(userId, connection);
  }

  /** Returns false if the connection was not there. */
  remove(userId: string, connection: Connection): boolean {
    return this.#current.remove(userId, connection) || this.#aside.remove(userId, connection);
  }

  count(userId: string): number {
    return this.#current.count(userId) + this.#aside.count(userId);
  }

  get(userId: string): Connection[] {
    const current = this.#current.get(userId);
    return this.#aside.size === 0 ? current : [...this.#aside.get(userId), ...current];
  }

  *entries(): IterableIterator<[string, Connection]> {
    yield* this.#aside.entries();
    yield* this.#current.entries();
  }

  /** The open connections of a user, the oldest first. Closing ones are set aside. */
  open(userId: string): Connection[] {
    return this.#current.get(userId).filter(connection => {
      const isOpen = connection.state !== 'closing';
      if (!isOpen) this.#setAside(userId, connection);
      return isOpen;
    });
  }

  #setAside(userId: string, connection: Connection): void {
    this.#current.remove(userId, connection);
    this.#aside.add(userId, connection);
  }
}
