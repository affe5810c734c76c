/**
 * Limits of the store for all nodes. Part of `ClusterBus`: its rules about rejections and times apply here too. A failure is no sign that
 * the store is lost.
 */
export interface LimitStore {
  /**
   * Stores each of these entries that is later than the stored one of its key, atomically, and returns all. Entries that have ended are kept,
   * so that an earlier one cannot return.
   */
  exchange(entries: readonly StoredLimit[]): Promise<StoredLimits>;
}

export interface StoredLimit {
  readonly key: string;
  /** The later of two entries of a key is in force: the one with the higher stamp. A positive integer. */
  readonly stamp: number;
  /** The remaining time, at least 0; null for an entry without an end. */
  readonly forMs: number | null;
  readonly text: string;
}

export interface StoredLimits {
  /** Changes with every change of an entry. */
  readonly version: number;
  readonly entries: readonly StoredLimit[];
}
