import { isIP } from 'node:net';

import { Inject, Injectable } from '@nestjs/common';

import { networkText } from '../base/address-bits.js';
import { HEARTBEAT_OPTIONS } from '../base/heartbeat.tokens.js';
import { clientNetwork } from '../base/network-address.js';
import { addressKey } from '../base/network-table.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';
import type { Connection } from './connection.js';
import { RecentKeys } from '../node/recent-keys.js';
import { SharedIndex } from './shared-index.js';
import { UserIndex } from './user-index.js';

/** All connections of this node by serial, with indexes by user and by client network. */
@Injectable()
export class Registry {
  readonly #connections = new Map<number, Connection>();
  readonly byUser = new UserIndex();
  readonly byNetwork = new SharedIndex<Connection>();
  /** By whole address, where the client network is wider. Used for IPv6 only, so that an IPv4 connection costs no further entry. */
  readonly #byAddress = new SharedIndex<Connection>();
  /** Connections that must still be identified. */
  readonly unidentified = new Set<Connection>();
  /** Openings of the last minutes, by client network and by user. */
  readonly openings = { ip: new RecentKeys(), user: new RecentKeys() };

  constructor(@Inject(HEARTBEAT_OPTIONS) private readonly options: Pick<ResolvedOptions, 'limits'>) {}

  get size(): number {
    return this.#connections.size;
  }

  /** All connections in the order in which they were opened; live, so copy it before an `await`. */
  all(): IterableIterator<Connection> {
    return this.#connections.values();
  }

  get(serial: number): Connection | undefined {
    return this.#connections.get(serial);
  }

  has(connection: Connection): boolean {
    return this.#connections.get(connection.serial) === connection;
  }

  /**
   * The connections that match, oldest first; those of a user in the order in which they were identified.
   * @param among A user or an address, whose connections an index finds. For a CIDR, as without a condition, all connections are compared.
   */
  find(
    { user, ip }: { readonly user?: string | undefined; readonly ip?: string | undefined },
    matches: (connection: Connection) => boolean,
    { openOnly = false } = {},
  ): Connection[] {
    const byIp = () => (ip === undefined || isIP(ip) === 0 ? this.all() : this.at(ip));
    const found: Connection[] = [];
    for (const connection of user === undefined ? byIp() : this.byUser.get(user)) {
      if (!(openOnly && connection.closing !== null) && matches(connection)) found.push(connection);
    }
    return found;
  }

  add(connection: Connection): void {
    this.#connections.set(connection.serial, connection);
    this.repair(connection);
    this.openings.ip.add(this.networkOf(connection), connection.openedAt);
    if (connection.userId !== null) this.openings.user.add(connection.userId, connection.openedAt);
  }

  /** Returns false if the connection was not in the registry. */
  remove(connection: Connection): boolean {
    this.byNetwork.remove(this.networkOf(connection), connection);
    const address = this.#addressOf(connection);
    if (address !== null) this.#byAddress.remove(address, connection);
    this.unidentified.delete(connection);
    if (connection.userId !== null) this.byUser.remove(connection.userId, connection);
    return this.#connections.delete(connection.serial);
  }

  /** Adds a connection to the indexes that lack it. Returns the number of missing entries. */
  repair(connection: Connection): number {
    const { userId } = connection;
    let missing = 0;
    if (this.byNetwork.add(this.networkOf(connection), connection)) missing++;
    const address = this.#addressOf(connection);
    if (address !== null && this.#byAddress.add(address, connection)) missing++;
    if (userId !== null && this.byUser.add(userId, connection)) missing++;
    return missing;
  }

  /** The connections of an address, in any spelling. */
  at(ip: string): Connection[] {
    const key = addressKey(ip);
    if (typeof key === 'string') return this.#byAddress.get(key);
    if (key !== null) return this.byNetwork.get(networkText({ family: 4, groups: [key], prefix: 32 }));
    // A text that is not an address, such as that of a Unix socket. It may equal the key of a network.
    return this.byNetwork.get(ip).filter(connection => connection.ip === ip);
  }

  /** Removes index entries of connections that are not in the registry. Returns their number. */
  sweep(): number {
    let [identified, addressed] = [0, 0];
    for (const connection of this.all()) {
      if (connection.userId !== null) identified++;
      if (this.#addressOf(connection) !== null) addressed++;
    }
    const isRight = this.byNetwork.size === this.size && this.byUser.size === identified;
    if (isRight && this.#byAddress.size === addressed) return 0;
    return (
      this.#sweep(this.#byAddress, connection => this.#addressOf(connection)) +
      this.#sweep(this.byNetwork, connection => this.networkOf(connection)) +
      this.#sweep(this.byUser, connection => connection.userId)
    );
  }

  networkOf({ ip }: Connection): string {
    return clientNetwork(ip, this.options.limits.ipv6PrefixBits);
  }

  #addressOf({ ip }: Connection): string | null {
    const key = ip.includes(':') ? addressKey(ip) : null;
    return typeof key === 'string' ? key : null;
  }

  #sweep(
    index: Pick<SharedIndex<Connection>, 'entries' | 'remove'>,
    keyOf: (connection: Connection) => string | null,
  ): number {
    let stale = 0;
    for (const [key, connection] of Array.from(index.entries())) {
      if (!this.has(connection) || keyOf(connection) !== key) stale += Number(index.remove(key, connection));
    }
    return stale;
  }
}
