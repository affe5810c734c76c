/**
 * Small records of the store that outlive a node, each with a report of each node that works on it. Part of `ClusterBus`: its rules about
 * rejections and times apply here too. A failure is no sign that the store is lost.
 */
export interface SharedRecords {
  /** Creates a record, or replaces it with its reports. It is kept for `keepMs`. Of more than 1,000 records the oldest are removed. */
  put(id: string, text: string, keepMs: number): Promise<void>;
  /** Replaces the text of a record where it still is `from`, atomically. Returns whether it was. The reports stay. */
  change(id: string, from: string, to: string, keepMs: number): Promise<boolean>;
  /** Returns null for an unknown record. */
  read(id: string): Promise<SharedRecord | null>;
  /**
   * Replaces this node's report, and returns the record with all reports.
   * @param text The text of the record where the store does not have it: it was emptied.
   */
  report(id: string, own: OwnReport): Promise<SharedRecord>;
}

export interface SharedRecord {
  readonly text: string;
  /** By node. */
  readonly reports: ReadonlyMap<string, string>;
}

export interface OwnReport {
  readonly nodeId: string;
  readonly report: string;
  readonly text: string;
  readonly keepMs: number;
}

/** Maximum of records; more would fill the store. */
export const MAX_RECORDS = 1000;
