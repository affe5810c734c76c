import type { Connection } from './connection.js';
import { SharedIndex } from './shared-index.js';

/**
 * Connections by user. Those that a newer connection replaces are set aside until their end: a client that connects again and again,
 * and does not answer the close, must not make each next replacement walk through all that are closing.
 */
export class UserIndex {
  readonly #current = new SharedIndex<Connection>();
  readonly #aside = new SharedIndex<Connection>();

  /** Entries of all users together. */
  get size(): number {
    return this.#current.size + this.#aside.size;
  }

  /** False if it was there already. */
  add(userId: string, connection: Connection): boolean {
    return !this.#aside.has(userId, connection) && this.#current.add(userId, connection);
  }

  /** False if it was not there. */
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

  /** The open connections of a user, the oldest first; those that are closing are set aside. */
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
