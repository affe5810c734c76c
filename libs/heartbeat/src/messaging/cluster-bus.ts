import type { SharedAudit } from './shared-audit.js';
import type { SharedRecords } from './shared-records.js';
import type { LimitStore } from './limit-store.js';

/**
 * The port to the state that the nodes of a cluster share: messages between them, and the few values that must outlive a node or be agreed
 * on. Two implementations (`LocalBus` in memory, `RedisBus`) pass one contract suite.
 *
 * Every method except `start` and `stop` may reject, and rejects within a short time when the store does not respond. Nothing is retried
 * here: a failed operation is lost, and its caller repeats it where necessary. All times are those of the store's own clock, in epoch
 * milliseconds, so that nodes with different clocks agree.
 */
export interface ClusterBus {
  /** False for a cluster of one, which shares no state. */
  readonly isShared: boolean;
  /** Whether the store responded to the last command. While it is false, every method except `renew` rejects at once. */
  readonly isUp: boolean;
  readonly audit: SharedAudit;
  readonly records: SharedRecords;
  readonly limits: LimitStore;

  /**
   * Begins to receive messages as `nodeId`. Resolves when the store was reached for the first time or the first attempt has timed out, and
   * keeps trying. Rejects only for a permanent fault, such as a missing package.
   */
  start(nodeId: string, listener: BusListener): Promise<void>;
  /** Closes all connections, within half a second regardless of the store. */
  stop(): Promise<void>;

  /** Delivers `message` to one node, or to all including this one, at most once. Resolves when the store has it. */
  publish(to: string | null, message: string): Promise<void>;

  /** Acquires or renews this node's lease. Other nodes receive `summary` with it. */
  renew(leaseMs: number, summary: string): Promise<Renewal>;
  /** Ends the lease. The node is in no later result. */
  leave(): Promise<void>;
  /** The nodes whose leases have not ended. */
  leases(): Promise<Lease[]>;
  hasLease(nodeId: string): Promise<boolean>;

  /**
   * Stores a ban for all nodes until its time has passed. A ban that is already known is replaced where the new one ends later (by more
   * than a second, so that a repeated ban changes nothing).
   * @returns False for a ban that was lifted: it stays lifted until its end.
   */
  putBan(ban: SharedBan): Promise<boolean>;
  /** Lifts a ban that would stay in force for `forMs`. From then on it is known as lifted, also where it was not known before. */
  dropBan(id: string, forMs: number): Promise<void>;
  /**
   * The first `limit` changes since a version of the bans, in the order of their versions; all bans since 0. A failure of this method is no
   * sign that the store is lost.
   */
  bans(since: number, limit: number): Promise<BanChanges>;

  /**
   * States this node's number of connections of users, which replaces earlier statements. With `limit`, a statement is only accepted if all
   * nodes together then have at most `limit` connections of its user. Returns a result for each statement, in their order.
   */
  stateUsers(statements: readonly UserStatement[], limit?: number): Promise<UserCount[]>;
}

export interface BusListener {
  /** A published message; any text. */
  message(text: string): void;
  /** The availability of the store has changed. */
  availability(isUp: boolean): void;
  /** An operation failed that no caller waits for. */
  failed(error: unknown): void;
}

export interface Renewal {
  /** True when this node had no lease: at its start, after it was frozen for too long, or when the store was emptied. */
  readonly isNew: boolean;
  /** Nodes whose leases have not ended, including this one. */
  readonly nodes: number;
  /** Increases with every change of the bans. Restarts when the store was emptied, and may have reached any number since. */
  readonly banVersion: number;
  /** Changes with every change of the stored limits. Restarts when the store was emptied. */
  readonly limitVersion: number;
  /** The store's time. */
  readonly now: number;
}

export interface Lease {
  readonly nodeId: string;
  readonly summary: string;
  /** Time since its renewal. */
  readonly ageMs: number;
}

export interface SharedBan {
  readonly id: string;
  /** The ban itself. */
  readonly text: string;
  /** The remaining time. */
  readonly forMs: number;
}

export interface BanChanges {
  /** The version up to which these are all changes. */
  readonly version: number;
  /** Whether there are changes after that version. */
  readonly hasMore: boolean;
  readonly put: readonly SharedBan[];
  /** The ids of bans that were lifted. */
  readonly dropped: readonly string[];
}

/** A node's number of connections of a user, and the oldest of them. */
export interface UserStatement {
  readonly userId: string;
  readonly count: number;
  /** The time at which the oldest was opened, by the store's clock, and its serial. */
  readonly oldestAt: number;
  readonly oldestSerial: number;
}

export interface UserCount {
  readonly isTaken: boolean;
  /** The connections of the user on all living nodes, including the stated ones. */
  readonly total: number;
  /** The node with the oldest connection of all, and that connection's serial; null without connections. */
  readonly oldest: { readonly nodeId: string; readonly serial: number } | null;
}
