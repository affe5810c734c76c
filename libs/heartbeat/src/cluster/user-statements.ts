import type { ClusterBus, UserCount, UserStatement } from '../messaging/cluster-bus.js';
import type { ClusterMembership } from '../messaging/cluster-membership.js';

/** Maximum of users whose counts are stated in one message to Redis. */
const USERS_AT_ONCE = 250;
/** For a statement that may be executed later, or may be lost. It equals no count, so that the count is stated again. */
const UNKNOWN = Number.NaN;

/** The counts that are stated. */
export interface CountSource {
  /** Whether a count is stated also where Redis has it, for the total in the reply. */
  readonly statesAlways: boolean;
  /** The current count of a user. */
  statementOf(userId: string): UserStatement;
  /** Whether a request for a slot states the count of the user at this moment. */
  isRequested(userId: string): boolean;
  /** The reply to the statement of a change. */
  changeStated(userId: string, count: UserCount): void;
}

/**
 * States counts of users to Redis, and knows what was stated. A statement is a count, never a difference, so that the next one corrects a lost
 * one. Redis executes statements in the order in which they are sent, and each is created when it is sent, so the last one is correct.
 */
export class UserStatements {
  /** The last statement to Redis, of users with a count. */
  readonly #stated = new Map<string, number>();
  /** Users with a change that Redis does not know yet. */
  readonly #changed = new Set<string>();
  #isStating = false;
  #isBehind = false;

  constructor(
    private readonly bus: ClusterBus,
    private readonly link: ClusterMembership,
    private readonly source: CountSource,
  ) {}

  /** Whether a statement was lost. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** Users with a count in Redis. */
  users(): Iterable<string> {
    return this.#stated.keys();
  }

  /** States the current count, unless Redis has it, together with all other changes in this turn of the event loop. */
  restate(userId: string): void {
    this.#changed.add(userId);
    if (this.#isStating) return;
    this.#isStating = true;
    setImmediate(() => void this.#stateChanges());
  }

  /** States all counts of these users, also those that Redis seemed to have. */
  restateAll(users: Iterable<string>): void {
    this.#isBehind = false;
    for (const userId of users) {
      this.#stated.set(userId, UNKNOWN);
      this.restate(userId);
    }
  }

  /** States the counts of these users. Resolves when Redis has them, or a statement was lost. */
  async state(users: readonly string[]): Promise<void> {
    for (let from = 0; from < users.length; from += USERS_AT_ONCE) {
      const next = users.slice(from, from + USERS_AT_ONCE).filter(userId => !this.source.isRequested(userId));
      const counts = await this.send(next.map(userId => this.source.statementOf(userId)));
      if (counts === null) return;
    }
  }

  /** Sends statements to Redis. Resolves with null on failure; every count is then stated at the next renewal. */
  async send(statements: readonly UserStatement[], limit = Infinity): Promise<readonly UserCount[] | null> {
    if (this.bus.isUp) {
      try {
        const counts = await this.bus.stateUsers(statements, limit === Infinity ? undefined : limit);
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

  /** Sends one message after the other, for any number of connections that end at once. */
  async #stateChanges(): Promise<void> {
    while (this.#changed.size > 0) {
      const statements = this.#nextStatements();
      if (statements.length === 0) continue;
      const isAgain = statements.map(({ userId }) => Number.isNaN(this.#stated.get(userId)));
      const counts = await this.send(statements);
      // Every count is stated again once Redis has recovered.
      if (counts === null) this.#changed.clear();
      for (const [index, { userId }] of statements.entries()) {
        // No connection is closed because of others that opened while Redis did not count them.
        if (counts?.[index] && !isAgain[index]) this.source.changeStated(userId, counts[index]);
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
      if (this.source.isRequested(userId)) continue;
      const statement = this.source.statementOf(userId);
      if (this.source.statesAlways || statement.count !== (this.#stated.get(userId) ?? 0)) statements.push(statement);
    }
    return statements;
  }

  #remember({ userId, count }: UserStatement): void {
    if (count === 0) this.#stated.delete(userId);
    else this.#stated.set(userId, count);
  }
}
