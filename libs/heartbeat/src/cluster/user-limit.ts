import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import type { UserSlots } from '../connection/ports.js';
import { type HeartbeatEventOf, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import type { ClusterBus, UserCount, UserStatement } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { KEPT_MS } from '../messaging/redis-scripts.js';
import { UserQuestions } from './user-questions.js';

/** Users whose counts are stated in one message to Redis. */
const USERS_AT_ONCE = 250;
/** How often all is stated anew, so that what is true does not expire in Redis. */
const RESTATE_MS = KEPT_MS / 3;
/** Of a statement that may be executed yet, or may be lost: equal to nothing, so that it is made again. */
const UNKNOWN = Number.NaN;

/**
 * `limits.maxPerUser` over all nodes. Each node states how many connections it has of a user whenever that changes: what is, never a
 * difference, so that a statement that was lost is healed by the next. Redis takes them in the order in which they are sent, and each
 * is made at that moment, so the last one is the truth. While Redis is lost each node keeps the limit by itself, so a user may then
 * have as many on every node; once it is back everything is stated anew, and nobody is cut for it.
 */
@Injectable()
export class UserLimit implements UserSlots, OnApplicationShutdown {
  /** Places of upgrades that are under way: granted, or just being asked for. */
  readonly #granted = new Map<string, number>();
  /** Questions for a place that have no answer yet. */
  readonly #asking = new Map<string, number>();
  readonly #questions = new UserQuestions(statements => this.#state(statements, this.#max));
  /** What Redis was told last, of users that have something here. */
  readonly #stated = new Map<string, number>();
  /** Users of whom something has changed that Redis has to be told. */
  readonly #changed = new Set<string>();
  readonly #max: number;
  readonly #replaces: boolean;
  #isStating = false;
  /** Whether a statement was lost. */
  #isBehind = false;
  #restatedAt: number;
  #subscription: Subscription | null = null;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly link: ClusterMembership,
    events: HeartbeatEvents,
  ) {
    const { maxPerUser, onUserLimit } = node.options.limits;
    this.#max = maxPerUser;
    this.#restatedAt = node.clock.now();
    this.#replaces = onUserLimit === 'replace-oldest';
    if (!bus.isShared || maxPerUser === 0) return;
    if (!this.#replaces) node.userSlots = this;
    this.#subscription = events.ofType('closed', 'identified').subscribe(event => this.#noticed(event));
    if (this.#replaces) this.#subscription.add(events.ofType('opened').subscribe(({ id }) => this.#opened(id)));
    link.renewals.subscribe(({ isNew }) => {
      const isDue = node.clock.now() - this.#restatedAt >= RESTATE_MS;
      if (isNew || isDue || this.#isBehind) this.#restateAll();
    });
    link.messages.subscribe(message => {
      if (message.kind === 'replace') this.#replace(message.userId, message.serial);
    });
  }

  onApplicationShutdown(): void {
    this.#subscription?.unsubscribe();
  }

  async take(userId: string): Promise<(() => void) | null> {
    // What is too much for this node alone is not asked for, and does not wait.
    if (this.#statementOf(userId).count >= this.#max) return null;
    // Held from now on, so that whatever is asked or stated meanwhile counts it.
    change(this.#granted, userId, 1);
    const release = () => {
      change(this.#granted, userId, -1);
      this.#restate(userId);
    };
    if (await this.#ask(userId)) return release;
    release();
    return null;
  }

  /** Asks for what is here now; false when that is too much for all nodes together. */
  async #ask(userId: string): Promise<boolean> {
    change(this.#asking, userId, 1);
    const isTaken = await this.#questions.ask(this.#statementOf(userId));
    change(this.#asking, userId, -1);
    // What has changed meanwhile waited for the answer.
    this.#restate(userId);
    return isTaken;
  }

  #opened(id: string): void {
    this.#restate(this.connections.get(id)?.userId ?? null);
  }

  #noticed(event: HeartbeatEventOf<'closed' | 'identified'>): void {
    if (event.type === 'closed') return this.#restate(event.connection.userId);
    const { id, userId, previous } = event;
    this.#restate(previous);
    if (userId === null || userId === previous) return;
    if (this.#replaces) this.#restate(userId);
    else void this.#judge(userId, id);
  }

  /** A connection that has said who it is only now may be one too many. */
  async #judge(userId: string, id: string): Promise<void> {
    if (await this.#ask(userId)) return;
    const { closeCode: code } = this.node.options.load;
    this.connections.get(id)?.end({ code, reason: 'user-limit', by: 'server' }, this.connections.retryAfterMs());
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

  /** After Redis was lost, or was emptied, or this node was given up. */
  #restateAll(): void {
    this.#isBehind = false;
    this.#restatedAt = this.node.clock.now();
    const users = new Set([...this.#stated.keys(), ...this.#granted.keys()]);
    for (const { userId } of this.connections.all()) if (userId !== null) users.add(userId);
    for (const userId of users) {
      this.#stated.set(userId, UNKNOWN);
      this.#restate(userId);
    }
  }

  /** States what is now, unless that is known already, with all else that changes in this turn of the loop. */
  #restate(userId: string | null): void {
    if (userId === null) return;
    this.#changed.add(userId);
    if (this.#isStating) return;
    this.#isStating = true;
    setImmediate(() => void this.#stateChanged());
  }

  /** One message after the other, however many connections end at once. */
  async #stateChanged(): Promise<void> {
    while (this.#changed.size > 0) {
      const statements = this.#nextStatements();
      if (statements.length === 0) continue;
      const isAnew = statements.map(({ userId }) => Number.isNaN(this.#stated.get(userId)));
      const counts = await this.#state(statements);
      // All is stated anew once Redis is back.
      if (counts === null) this.#changed.clear();
      if (!this.#replaces) continue;
      for (const [place, { userId }] of statements.entries()) {
        // Nobody is cut for what came in while Redis did not count it.
        if (counts?.[place] && !isAnew[place]) this.#makeRoom(userId, counts[place]);
      }
    }
    this.#isStating = false;
  }

  /** What is now, of some whose number Redis does not know. */
  #nextStatements(): UserStatement[] {
    const statements: UserStatement[] = [];
    for (const userId of this.#changed) {
      if (statements.length === USERS_AT_ONCE) break;
      this.#changed.delete(userId);
      // A place that is being asked for would be taken by stating it.
      if (this.#asking.has(userId)) continue;
      const statement = this.#statementOf(userId);
      if (this.#replaces || statement.count !== (this.#stated.get(userId) ?? 0)) statements.push(statement);
    }
    return statements;
  }

  /** Tells Redis; null when it was not told, and then it is told everything at the next renewal. */
  async #state(statements: readonly UserStatement[], limit?: number): Promise<readonly UserCount[] | null> {
    if (this.bus.isUp) {
      try {
        const counts = await this.bus.stateUsers(statements, limit);
        for (const [place, statement] of statements.entries()) {
          if (counts[place]?.isTaken) this.#remember(statement);
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

  /** Where newer ones replace older, those that are on their way out have gone already. */
  #statementOf(userId: string): UserStatement {
    if (!this.#replaces) {
      const count = this.connections.countByUser(userId) + (this.#granted.get(userId) ?? 0);
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
}

function change(counts: Map<string, number>, userId: string, by: 1 | -1): void {
  const count = (counts.get(userId) ?? 0) + by;
  if (count > 0) counts.set(userId, count);
  else counts.delete(userId);
}
