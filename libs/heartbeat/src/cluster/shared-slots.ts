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
import { wireCount, wireText } from '../base/wire-values.js';
import type { ClusterBus, UserCount, UserStatement } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeMessages } from '../messaging/node-messages.js';
import { KEPT_MS } from '../messaging/redis-scripts.js';
import { SlotRequests } from './slot-requests.js';

/** The message `replace`: the connections of a user up to a serial are to be replaced. */
export const replace = z.object({ userId: wireText, serial: wireCount });

/** Maximum of users whose counts are stated in one message to Redis. */
const USERS_AT_ONCE = 250;
/** Interval after which every count is stated again, so that current counts do not expire in Redis. */
const RESTATE_MS = KEPT_MS / 3;
/** For a statement that may be executed later, or may be lost. It equals no count, so that the count is stated again. */
const UNKNOWN = Number.NaN;

/**
 * The slots of users over all nodes, for `limits.maxPerUser`. Each node states its number of connections of a user whenever that changes.
 * It states the count, never a difference, so that the next statement corrects a lost one. Redis executes statements in the order in which
 * they are sent, and each is created when it is sent, so the last one is correct. While Redis is lost each node applies the limit alone, so
 * a user may have that many connections on every node. After that every count is stated again, and no connection is closed for it.
 */
@Injectable()
export class SharedSlots implements UserSlots, OnApplicationShutdown {
  /** Slots of upgrades in progress, granted or just requested. */
  readonly #granted = new Map<string, number>();
  /** Requests for a slot without a reply yet. */
  readonly #requested = new Map<string, number>();
  readonly #requests = new SlotRequests(statements => this.#state(statements, this.#max));
  /** The last statement to Redis, of users that have connections or slots here. */
  readonly #stated = new Map<string, number>();
  /** Users with a change that Redis does not know yet. */
  readonly #changed = new Set<string>();
  readonly #replaced = new Subject<ReplacedConnections>();
  readonly #replaces: boolean;
  #isStating = false;
  /** Whether a statement was lost. */
  #isBehind = false;
  #restatedAt: number;
  #subscription: Subscription | null = null;

  readonly replaced = this.#replaced.asObservable();

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly link: ClusterMembership,
    private readonly messages: NodeMessages,
    events: HeartbeatEvents,
  ) {
    this.#restatedAt = node.clock.now();
    this.#replaces = node.options.limits.onUserLimit === 'replace-oldest';
    const isLimited = bus.isShared && this.#max > 0;
    messages.handle('replace', replace, message => {
      if (isLimited) this.#replace(message);
    });
    if (!isLimited) return;
    this.#subscription = events.ofType('closed', 'identified').subscribe(event => this.#noticed(event));
    if (this.#replaces) this.#subscription.add(events.ofType('opened').subscribe(({ id }) => this.#opened(id)));
    link.renewals.subscribe(({ isNew }) => {
      const isDue = node.clock.now() - this.#restatedAt >= RESTATE_MS;
      if (isNew || isDue || this.#isBehind) this.#restateAll();
    });
  }

  onApplicationShutdown(): void {
    this.#subscription?.unsubscribe();
  }

  get isShared(): boolean {
    return this.#subscription !== null && !this.#replaces;
  }

  async acquire(userId: string): Promise<(() => void) | null> {
    // Where this node alone has reached the limit, no slot is requested, and there is no wait.
    if (this.#statementOf(userId).count >= this.#max) return null;
    // Held from now on, so that requests and statements meanwhile count it.
    change(this.#granted, userId, 1);
    const release = () => {
      change(this.#granted, userId, -1);
      this.#restate(userId);
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
    this.#restate(userId);
    return isTaken;
  }

  get #max(): number {
    return this.node.limits.maxPerUser;
  }

  #opened(id: string): void {
    this.#restate(this.registry.get(serialOf(this.node.id, id))?.userId ?? null);
  }

  #noticed(event: HeartbeatEventOf<'closed' | 'identified'>): void {
    if (event.type === 'closed') return this.#restate(event.connection.userId);
    this.#restate(event.previous);
    if (event.userId !== event.previous) this.#restate(event.userId);
  }

  /** The oldest connection of all must be closed. If that is not enough, the next statement of its node leads here again. */
  #requestReplacement(userId: string, { total, oldest }: UserCount): void {
    if (total <= this.#max || oldest === null) return;
    const { nodeId, serial } = oldest;
    if (nodeId === this.node.id) return this.#replace({ userId, serial });
    this.messages.send(nodeId, 'replace', { userId, serial });
  }

  /** A repeated message closes no further connection: newer connections have higher serials. */
  #replace({ userId, serial }: ReplacedConnections): void {
    this.#replaced.next({ userId, serial });
    this.#restate(userId);
  }

  /** Runs after Redis was lost or emptied, or after this node lost its lease. */
  #restateAll(): void {
    this.#isBehind = false;
    this.#restatedAt = this.node.clock.now();
    const users = new Set([...this.#stated.keys(), ...this.#granted.keys()]);
    for (const { userId } of this.registry.all()) if (userId !== null) users.add(userId);
    for (const userId of users) {
      this.#stated.set(userId, UNKNOWN);
      this.#restate(userId);
    }
  }

  /** States the current count, unless Redis has it, together with all other changes in this turn of the event loop. */
  #restate(userId: string | null): void {
    if (userId === null) return;
    this.#changed.add(userId);
    if (this.#isStating) return;
    this.#isStating = true;
    setImmediate(() => void this.#stateChanged());
  }

  /** Sends one message after the other, for any number of connections that end at once. */
  async #stateChanged(): Promise<void> {
    while (this.#changed.size > 0) {
      const statements = this.#nextStatements();
      if (statements.length === 0) continue;
      const isAgain = statements.map(({ userId }) => Number.isNaN(this.#stated.get(userId)));
      const counts = await this.#state(statements);
      // Every count is stated again once Redis has recovered.
      if (counts === null) this.#changed.clear();
      if (!this.#replaces) continue;
      for (const [index, { userId }] of statements.entries()) {
        // No connection is closed because of others that opened while Redis did not count them.
        if (counts?.[index] && !isAgain[index]) this.#requestReplacement(userId, counts[index]);
      }
    }
    this.#isStating = false;
  }

  /** The current counts of users whose count Redis does not have; a limited number of them. */
  #nextStatements(): UserStatement[] {
    const statements: UserStatement[] = [];
    for (const userId of this.#changed) {
      if (statements.length === USERS_AT_ONCE) break;
      this.#changed.delete(userId);
      // A statement would take the slot of a pending request.
      if (this.#requested.has(userId)) continue;
      const statement = this.#statementOf(userId);
      if (this.#replaces || statement.count !== (this.#stated.get(userId) ?? 0)) statements.push(statement);
    }
    return statements;
  }

  /** Sends statements to Redis. Resolves with null on failure; every count is then stated at the next renewal. */
  async #state(statements: readonly UserStatement[], limit?: number): Promise<readonly UserCount[] | null> {
    if (this.bus.isUp) {
      try {
        const counts = await this.bus.stateUsers(statements, limit);
        for (const [index, statement] of statements.entries()) {
          if (counts[index]?.isTaken) this.#remember(statement);
        }
        return counts;
      } catch (error) {
        for (const { userId } of statements) this.#stated.set(userId, UNKNOWN);
        this.link.failed('user-limit', error);
      }
    }
    this.#isBehind = true;
    return null;
  }

  #remember({ userId, count }: UserStatement): void {
    if (count === 0) this.#stated.delete(userId);
    else this.#stated.set(userId, count);
  }

  /** With `replace-oldest`, closing connections do not count. */
  #statementOf(userId: string): UserStatement {
    const { byUser } = this.registry;
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
