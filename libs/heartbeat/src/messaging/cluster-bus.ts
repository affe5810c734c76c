/**
 * What the nodes of a cluster share, as one port: messages between them, and the little that must outlive a node or be agreed.
 * Two implementations (`LocalBus` in memory, `RedisBus`) are held by one contract suite.
 *
 * Every method but `start` and `stop` may reject, and rejects within a short time when the store does not answer. Nothing is
 * retried here: what failed is lost, and whoever needs it says it again. All moments are those of the store's own clock, in epoch
 * milliseconds, so that nodes whose clocks differ agree.
 */
export interface ClusterBus {
  /** False for a cluster of one, in which there is nobody to agree with. */
  readonly isShared: boolean;
  /** Whether the store answered when it was last asked. While it is false, every method but `renew` rejects at once. */
  readonly isUp: boolean;

  /**
   * Begins to listen as `nodeId`. Resolves when the store was reached for the first time or has had its chance, and goes on trying;
   * rejects only for what trying again cannot heal, such as a package that is missing.
   */
  start(nodeId: string, listener: BusListener): Promise<void>;
  /** Lets go of everything, within half a second whatever the store does. */
  stop(): Promise<void>;

  /** Delivers `message` to one node, or to all including this one, at most once; resolves when the store has it. */
  publish(to: string | null, message: string): Promise<void>;

  /** Takes or renews this node's lease. `summary` is what other nodes are shown of it. */
  renew(leaseMs: number, summary: string): Promise<Renewal>;
  /** Gives the lease back; the node is gone from every answer at once. */
  leave(): Promise<void>;
  /** The nodes whose leases have not run out. */
  leases(): Promise<Lease[]>;
  hasLease(nodeId: string): Promise<boolean>;

  /**
   * Keeps a ban for all nodes until its time has passed. A ban that is known already is replaced where the new one ends later (by more
   * than a second, so that the same ban told twice changes nothing).
   * @returns False for a ban that was lifted: it stays lifted until its end.
   */
  putBan(ban: SharedBan): Promise<boolean>;
  /** Lifts a ban that would hold for so much longer. From then on it is known as lifted, also where it was not known before. */
  dropBan(id: string, forMs: number): Promise<void>;
  /**
   * The first `limit` changes since a version of the bans, in the order of their versions; all bans since 0. A failure of this method
   * says nothing of the store.
   */
  bans(since: number, limit: number): Promise<BanChanges>;

  /**
   * States how many connections this node has of users; what it stated of them before no longer counts. With `limit`, a statement is
   * only taken if all nodes together then have at most so many of its user. Answers to each, in their order.
   */
  stateUsers(statements: readonly UserStatement[], limit?: number): Promise<UserCount[]>;
}

export interface BusListener {
  /** What somebody published; anything at all. */
  message(text: string): void;
  /** Whether the store answers has changed. */
  availability(isUp: boolean): void;
  /** Something failed that nobody has asked for. */
  failed(error: unknown): void;
}

export interface Renewal {
  /** True when this node had no lease: at its start, after it was frozen for too long, or when the store was emptied. */
  readonly isNew: boolean;
  /** Nodes whose leases have not run out, this one included. */
  readonly nodes: number;
  /** Grows with every change of the bans; begins anew when the store was emptied, and may have passed any number since. */
  readonly banVersion: number;
  /** The store's time. */
  readonly now: number;
}

export interface Lease {
  readonly nodeId: string;
  readonly summary: string;
  /** How long ago it was renewed. */
  readonly ageMs: number;
}

export interface SharedBan {
  readonly id: string;
  /** The ban itself. */
  readonly text: string;
  /** How much longer it holds. */
  readonly forMs: number;
}

export interface BanChanges {
  /** The version up to which these are all changes. */
  readonly version: number;
  /** Whether there are changes after that version. */
  readonly hasMore: boolean;
  readonly put: readonly SharedBan[];
  /** The ids of those that were lifted. */
  readonly dropped: readonly string[];
}

/** How many connections a node has of a user, and which of them is the oldest. */
export interface UserStatement {
  readonly userId: string;
  readonly count: number;
  /** When the oldest was opened, by the store's time, and its serial. */
  readonly oldestAt: number;
  readonly oldestSerial: number;
}

export interface UserCount {
  readonly isTaken: boolean;
  /** The connections of the user on all living nodes, the stated ones included. */
  readonly total: number;
  /** The node with the oldest of all, and that connection's serial; null when there is none. */
  readonly oldest: { readonly nodeId: string; readonly serial: number } | null;
}
