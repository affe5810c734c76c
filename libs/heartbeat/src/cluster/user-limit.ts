import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { CloseCodes } from '../close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import type { UserPlaces } from '../connection/shared-words.js';
import { type HeartbeatEvent, HeartbeatEvents } from '../heartbeat.events.js';
import { HEARTBEAT_BUS } from '../heartbeat.tokens.js';
import type { ClusterBus, UserCount, UserStatement } from './cluster-bus.js';
import { ClusterLink } from './cluster-link.js';

/** Users whose counts are stated in one turn. */
const USERS_AT_ONCE = 500;

/**
 * `limits.maxPerUser` over all nodes. Each node states how many connections it has of a user whenever that changes: what is, never a
 * difference, so that a statement that was lost is healed by the next. While Redis is lost each node keeps the limit by itself, so a
 * user may then have as many on every node; once it is back everything is stated anew, and nobody is cut for it.
 */
@Injectable()
export class UserLimit implements UserPlaces, OnApplicationShutdown {
  /** Places granted to upgrades that are under way. */
  readonly #granted = new Map<string, number>();
  /** What Redis was told last, of users that have something here. */
  readonly #stated = new Map<string, number>();
  /** What is under way for each user: one after the other, so that the last statement is the truth. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #max: number;
  readonly #replaces: boolean;
  /** Whether a statement was lost. */
  #isBehind = false;
  #subscription: Subscription | null = null;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly link: ClusterLink,
    events: HeartbeatEvents,
  ) {
    const { maxPerUser, onUserLimit } = node.options.limits;
    this.#max = maxPerUser;
    this.#replaces = onUserLimit === 'replace-oldest';
    if (!bus.isShared || maxPerUser === 0) return;
    if (!this.#replaces) node.userPlaces = this;
    this.#subscription = events.seldom.subscribe(event => this.#noticed(event));
    link.renewals.subscribe(({ isNew }) => {
      if (isNew || this.#isBehind) void this.#stateAll();
    });
    link.messages.subscribe(message => {
      if (message.kind === 'replace') this.#replace(message.userId, message.serial);
    });
  }

  onApplicationShutdown(): void {
    this.#subscription?.unsubscribe();
  }

  take(userId: string): Promise<(() => void) | null> {
    return this.#inTurn(userId, async () => {
      const statement = this.#statementOf(userId, 1);
      // What is too much for this node alone is not asked for.
      if (statement.count > this.#max) return null;
      const count = await this.#state(statement, this.#max);
      const isGranted = count?.isTaken ?? this.#statementOf(userId, 1).count <= this.#max;
      if (!isGranted) return null;
      this.#granted.set(userId, this.#grantedTo(userId) + 1);
      return () => this.#settle(userId);
    });
  }

  #settle(userId: string): void {
    const left = this.#grantedTo(userId) - 1;
    if (left > 0) this.#granted.set(userId, left);
    else this.#granted.delete(userId);
    this.#restate(userId);
  }

  #noticed(event: HeartbeatEvent): void {
    if (event.type === 'closed' && event.connection.userId !== null) this.#restate(event.connection.userId);
    if (event.type === 'opened' && this.#replaces) this.#restate(this.connections.get(event.id)?.userId ?? null);
    if (event.type !== 'identified') return;
    const { id, userId, previous } = event;
    this.#restate(previous);
    if (userId === null || userId === previous) return;
    if (this.#replaces) this.#restate(userId);
    else void this.#judge(userId, id);
  }

  /** States what is now, unless that is known already. */
  #restate(userId: string | null): void {
    if (userId === null) return;
    void this.#inTurn(userId, async () => {
      const statement = this.#statementOf(userId);
      if (!this.#replaces && statement.count === (this.#stated.get(userId) ?? 0)) return;
      const count = await this.#state(statement);
      if (this.#replaces && count !== null) this.#makeRoom(userId, count);
    });
  }

  /** A connection that has said who it is only now may be one too many. */
  #judge(userId: string, id: string): Promise<void> {
    return this.#inTurn(userId, async () => {
      const count = await this.#state(this.#statementOf(userId), this.#max);
      if (count?.isTaken !== false) return;
      const { code } = CloseCodes.tryAgainLater;
      this.connections.get(id)?.end({ code, reason: 'user-limit', by: 'server' }, this.connections.returnDelay());
    });
  }

  /** The oldest of all goes. Where that is not enough, its node comes here again when it states what it has left. */
  #makeRoom(userId: string, { total, oldest }: UserCount): void {
    if (total <= this.#max || oldest === null) return;
    const { nodeId, serial } = oldest;
    if (nodeId === this.node.id) return this.#replace(userId, serial);
    this.link.send(nodeId, { kind: 'replace', from: this.node.id, userId, serial });
  }

  /** Told twice, it ends nothing more: newer connections have higher serials. */
  #replace(userId: string, serial: number): void {
    const { code, name } = CloseCodes.replaced;
    const met = this.connections.findByUser(userId).filter(connection => connection.serial <= serial);
    for (const connection of met) connection.end({ code, reason: name, by: 'server' });
    this.#restate(userId);
  }

  /** Tells Redis; null when it was not told, and then it is told everything at the next renewal. */
  async #state(statement: UserStatement, limit?: number): Promise<UserCount | null> {
    if (this.bus.isUp) {
      try {
        const count = await this.bus.stateUser(statement, limit);
        if (count.isTaken) this.#remember(statement);
        return count;
      } catch (error) {
        this.link.failed('user-limit', error);
      }
    }
    this.#isBehind = true;
    return null;
  }

  /** After Redis was lost, or was emptied, or this node was given up. */
  async #stateAll(): Promise<void> {
    this.#isBehind = false;
    const users = new Set([...this.#stated.keys(), ...this.#granted.keys()]);
    for (const { userId } of this.connections.all()) if (userId !== null) users.add(userId);
    const all = [...users];
    try {
      for (let at = 0; at < all.length; at += USERS_AT_ONCE) {
        const statements = all.slice(at, at + USERS_AT_ONCE).map(userId => this.#statementOf(userId));
        await this.bus.stateUsers(statements);
        for (const statement of statements) this.#remember(statement);
      }
    } catch (error) {
      this.#isBehind = true;
      this.link.failed('user-limit', error);
    }
  }

  #remember({ userId, count }: UserStatement): void {
    if (count === 0) this.#stated.delete(userId);
    else this.#stated.set(userId, count);
  }

  /** Where newer ones replace older, those that are on their way out have gone already. */
  #statementOf(userId: string, more = 0): UserStatement {
    if (!this.#replaces) {
      const count = this.connections.countByUser(userId) + this.#grantedTo(userId) + more;
      return { userId, count, oldestAt: 0, oldestSerial: 0 };
    }
    const open = this.connections.findByUser(userId).filter(({ state }) => state !== 'closing');
    const oldest = open.reduce<Connection | undefined>(
      (first, next) => (first === undefined || next.serial < first.serial ? next : first),
      undefined,
    );
    const oldestAt = oldest ? Math.max(0, Math.round(this.link.storeTime(oldest.openedAt))) : 0;
    return { userId, count: open.length, oldestAt, oldestSerial: oldest?.serial ?? 0 };
  }

  #grantedTo(userId: string): number {
    return this.#granted.get(userId) ?? 0;
  }

  async #inTurn<Result>(userId: string, work: () => Promise<Result>): Promise<Result> {
    const previous = this.#turns.get(userId);
    // What went wrong before is told to whoever asked for it.
    const turn = previous === undefined ? work() : previous.then(work, work);
    this.#turns.set(userId, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(userId) === turn) this.#turns.delete(userId);
    }
  }
}
