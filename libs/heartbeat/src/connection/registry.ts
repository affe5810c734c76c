import { CloseCodes } from '../close-code.js';
import { clientNetwork } from '../network-address.js';
import type { Connection } from './connection.js';
import { SharedIndex } from './shared-index.js';

/** The books: every connection of this node by its serial, with indexes by user and by client network. */
export class Registry {
  readonly #connections = new Map<number, Connection>();
  readonly byUser = new SharedIndex<Connection>();
  readonly byNetwork = new SharedIndex<Connection>();
  /** Who still has to prove who it is. */
  readonly unidentified = new Set<Connection>();

  /** @param ipv6PrefixBits See `clientNetwork`. */
  constructor(private readonly ipv6PrefixBits: number) {}

  get size(): number {
    return this.#connections.size;
  }

  /** All, in the order of their openings; live, so take a copy before awaiting. */
  all(): IterableIterator<Connection> {
    return this.#connections.values();
  }

  get(serial: number): Connection | undefined {
    return this.#connections.get(serial);
  }

  has(connection: Connection): boolean {
    return this.#connections.get(connection.serial) === connection;
  }

  /** Those of a user, or of all where it is undefined, that match; oldest first, but those of a user as they came to it. */
  find(
    userId: string | undefined,
    matches: (connection: Connection) => boolean,
    { openOnly = false } = {},
  ): Connection[] {
    const found: Connection[] = [];
    for (const connection of userId === undefined ? this.all() : this.byUser.get(userId)) {
      if (!(openOnly && connection.closing !== null) && matches(connection)) found.push(connection);
    }
    return found;
  }

  add(connection: Connection): void {
    this.#connections.set(connection.serial, connection);
    this.repair(connection);
  }

  /** False if it was not there. */
  remove(connection: Connection): boolean {
    this.byNetwork.remove(this.networkOf(connection), connection);
    this.unidentified.delete(connection);
    if (connection.userId !== null) this.byUser.remove(connection.userId, connection);
    return this.#connections.delete(connection.serial);
  }

  /** Puts a connection into the indexes where they lack it; answers how many entries were missing. */
  repair(connection: Connection): number {
    const { userId } = connection;
    let missing = 0;
    if (this.byNetwork.add(this.networkOf(connection), connection)) missing++;
    if (userId !== null && this.byUser.add(userId, connection)) missing++;
    return missing;
  }

  /** Takes out of the indexes what the registry does not hold; answers how many entries were stale. */
  sweep(): number {
    let identified = 0;
    for (const { userId } of this.all()) if (userId !== null) identified++;
    if (this.byNetwork.size === this.size && this.byUser.size === identified) return 0;
    return (
      this.#sweep(this.byNetwork, connection => this.networkOf(connection)) +
      this.#sweep(this.byUser, connection => connection.userId)
    );
  }

  /** Closes the oldest connections of a user with 4502 until at most `keep` are open. */
  makeRoomFor(userId: string, keep: number): void {
    const open = this.byUser.get(userId).filter(({ state }) => state !== 'closing');
    const { code, name } = CloseCodes.replaced;
    for (const connection of open.slice(0, Math.max(0, open.length - keep))) {
      connection.end({ code, reason: name, by: 'server' });
    }
  }

  networkOf({ ip }: Connection): string {
    return clientNetwork(ip, this.ipv6PrefixBits);
  }

  #sweep(index: SharedIndex<Connection>, keyOf: (connection: Connection) => string | null): number {
    let stale = 0;
    for (const [key, connection] of Array.from(index.entries())) {
      if (!this.has(connection) || keyOf(connection) !== key) stale += Number(index.remove(key, connection));
    }
    return stale;
  }
}
