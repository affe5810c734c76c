import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Subject, type Subscription } from 'rxjs';
import { z } from 'zod';

import type { Connection } from '../connection/connection.js';
import { serialOf } from '../connection/connection-id.js';
import { NodeState } from '../node/node-state.js';
import type { ReplacedConnections, UserSlots } from '../connection/ports.js';
import { Registry } from '../connection/registry.js';
import { type HeartbeatEventOf, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { inSlices } from '../base/slices.js';
import { wireCount, wireText } from '../base/wire-values.js';
import type { ClusterBus, UserCount, UserStatement } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeMessages } from '../messaging/node-messages.js';
import { KEPT_MS } from '../messaging/redis-scripts.js';
import { SlotRequests } from './slot-requests.js';
import { UserStatements } from './user-statements.js';

/** The message `replace`: the connections of a user up to a serial are to be replaced. */
export const replace = z.object({ userId: wireText, serial: wireCount });

/** Interval after which every count is stated again, so that current counts do not expire in Redis. */
const RESTATE_MS = KEPT_MS / 3;

/**
 * The slots of users over all nodes, for `limits.maxPerUser`. Each node states its number of connections of a user whenever that changes.
 * While Redis is lost each node applies the limit alone, so a user may have that many connections on every node. After that every count is
 * stated again, and no connection is closed for it.
 *
 * The limit may be set and removed at run time. `share` states the counts of all users before the limit applies: until then slots are
 * granted without one, so that their requests are counted. `unshare` states that there are none.
 */
@Injectable()
export class SharedSlots implements UserSlots, OnApplicationShutdown {
  /** Slots of upgrades in progress, granted or just requested. */
  readonly #granted = new Map<string, number>();
  /** Requests for a slot without a reply yet. */
  readonly #requested = new Map<string, number>();
  /**
   * Users with a new connection, with `replace-oldest`. Only these have connections replaced, so that neither a lower limit nor the return of
   * Redis closes any by itself.
   */
  readonly #grown = new Set<string>();
  readonly #statements: UserStatements;
  readonly #requests: SlotRequests;
  readonly #replaced = new Subject<ReplacedConnections>();
  readonly #replaces: boolean;
  #restatedAt: number;
  /** Of events, while counts are shared. */
  #subscription: Subscription | null = null;
  #sharing: Promise<void> = Promise.resolve();

  readonly replaced = this.#replaced.asObservable();

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly link: ClusterMembership,
    private readonly messages: NodeMessages,
    private readonly events: HeartbeatEvents,
  ) {
    this.#restatedAt = node.clock.now();
    this.#replaces = node.options.limits.onUserLimit === 'replace-oldest';
    this.#statements = new UserStatements(bus, link, {
      statesAlways: this.#replaces,
      statementOf: userId => this.#statementOf(userId),
      isRequested: userId => this.#requested.has(userId),
      changeStated: (userId, count) => this.#changeStated(userId, count),
    });
    this.#requests = new SlotRequests(statements => this.#statements.send(statements, this.#max));
    messages.handle('replace', replace, message => {
      if (this.#subscription !== null) this.#replace(message);
    });
    if (!bus.isShared) return;
    if (node.limits.maxPerUser > 0) this.#subscribe();
    link.renewals.subscribe(({ isNew }) => {
      const isDue = node.clock.now() - this.#restatedAt >= RESTATE_MS;
      if (isNew || isDue || this.#statements.isBehind) this.#restateAll();
    });
  }

  onApplicationShutdown(): void {
    this.#subscription?.unsubscribe();
  }

  get isShared(): boolean {
    return this.#subscription !== null && !this.#replaces;
  }

  share(): Promise<void> {
    if (this.bus.isShared && this.#subscription === null) {
      this.#subscribe();
      this.#sharing = this.#stateKnown();
    }
    return this.#sharing;
  }

  unshare(): void {
    if (this.#subscription === null) return;
    this.#subscription.unsubscribe();
    this.#subscription = null;
    this.#grown.clear();
    for (const userId of this.#counted()) this.#statements.restate(userId);
  }

  async acquire(userId: string): Promise<(() => void) | null> {
    // Where this node alone has reached the limit, no slot is requested, and there is no wait.
    if (this.#statementOf(userId).count >= this.#max) return null;
    // Held from now on, so that requests and statements meanwhile count it.
    change(this.#granted, userId, 1);
    const release = () => {
      change(this.#granted, userId, -1);
      this.#statements.restate(userId);
    };
    if (await this.acquireOpen(userId)) return release;
    release();
    return null;
  }

  async acquireOpen(userId: string): Promise<boolean> {
    change(this.#requested, userId, 1);
    const isTaken = await this.#requests.request(this.#statementOf(userId));
    change(this.#requested, userId, -1);
    // Statements of changes since the request have waited for its reply.
    this.#statements.restate(userId);
    return isTaken;
  }

  /** While there is no limit, slots have none. */
  get #max(): number {
    return this.node.limits.maxPerUser || Infinity;
  }

  #subscribe(): void {
    this.#subscription = this.events.ofType('opened', 'closed', 'identified').subscribe(event => this.#noticed(event));
  }

  /** Connections that open meanwhile are stated by their events. */
  async #stateKnown(): Promise<void> {
    const users = new Set<string>();
    await inSlices(this.registry.all(), ({ userId }) => {
      if (userId !== null) users.add(userId);
    });
    await this.#statements.state([...users]);
  }

  #noticed(event: HeartbeatEventOf<'opened' | 'closed' | 'identified'>): void {
    if (event.type === 'opened')
      return this.#gained(this.registry.get(serialOf(this.node.id, event.id))?.userId ?? null);
    const userId = event.type === 'closed' ? event.connection.userId : event.previous;
    if (userId !== null) this.#statements.restate(userId);
    if (event.type === 'identified' && event.userId !== userId) this.#gained(event.userId);
  }

  /** A user has one more connection. */
  #gained(userId: string | null): void {
    if (userId === null) return;
    if (this.#replaces) this.#grown.add(userId);
    this.#statements.restate(userId);
  }

  /** The oldest connection of all must be closed. If that is not enough, the next statement of its node leads here again. */
  #changeStated(userId: string, { total, oldest }: UserCount): void {
    if (!this.#grown.delete(userId) || total <= this.#max || oldest === null) return;
    const { nodeId, serial } = oldest;
    if (nodeId === this.node.id) return this.#replace({ userId, serial });
    this.messages.send(nodeId, 'replace', { userId, serial });
  }

  /** A repeated message closes no further connection: newer connections have higher serials. */
  #replace({ userId, serial }: ReplacedConnections): void {
    this.#replaced.next({ userId, serial });
    this.#gained(userId);
  }

  /** Runs after Redis was lost or emptied, or after this node lost its lease. */
  #restateAll(): void {
    this.#restatedAt = this.node.clock.now();
    this.#grown.clear();
    const users = this.#counted();
    if (this.#subscription !== null) {
      for (const { userId } of this.registry.all()) if (userId !== null) users.add(userId);
    }
    this.#statements.restateAll(users);
  }

  /** Users with a count in Redis, or with a slot or a request that may have become one. */
  #counted(): Set<string> {
    return new Set([...this.#statements.users(), ...this.#granted.keys(), ...this.#requested.keys()]);
  }

  /** With `replace-oldest`, closing connections do not count. While counts are not shared there are none. */
  #statementOf(userId: string): UserStatement {
    const { byUser } = this.registry;
    if (this.#subscription === null) return { userId, count: 0, oldestAt: 0, oldestSerial: 0 };
    if (!this.#replaces) {
      const count = byUser.count(userId) + (this.#granted.get(userId) ?? 0);
      return { userId, count, oldestAt: 0, oldestSerial: 0 };
    }
    const open = byUser.get(userId).filter(({ state }) => state !== 'closing');
    const oldest = open.reduce<Connection | undefined>(
      (first, next) => (first === undefined || next.serial < first.serial ? next : first),
      undefined,
    );
    const oldestAt = oldest ? Math.max(0, Math.round(this.link.storeTime(oldest.openedAt))) : 0;
    return { userId, count: open.length, oldestAt, oldestSerial: oldest?.serial ?? 0 };
  }
}

function change(counts: Map<string, number>, userId: string, by: 1 | -1): void {
  const count = (counts.get(userId) ?? 0) + by;
  if (count > 0) counts.set(userId, count);
  else counts.delete(userId);
}
