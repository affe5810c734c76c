/** Maximum of records in the audit trail. */
export const MAX_AUDIT_RECORDS = 10_000;

/** A place in the audit trail: records have the order of their times, and at the same time of their ids. */
export interface AuditPosition {
  /** Without spaces. */
  readonly id: string;
  /** By the store's clock: whole milliseconds. */
  readonly at: number;
}

export interface AuditRecord extends AuditPosition {
  /** The entry itself. */
  readonly text: string;
}

/** The audit trail of all nodes. A failure of a method is no sign that the store is lost. */
export interface SharedAudit {
  /**
   * Adds records, and drops the oldest above {@link MAX_AUDIT_RECORDS}. A record that is already there is not added twice.
   * @param last The newest record that this node has added before; null for none.
   * @returns False where the store lacks `last`: it was emptied. A record that was dropped as too old is not lacking.
   */
  add(records: readonly AuditRecord[], last: AuditRecord | null): Promise<boolean>;
  /** At most `limit` records, newest first: those before a position, or the newest. */
  read(before: AuditPosition | null, limit: number): Promise<AuditRecord[]>;
}

export function compareRecords(one: AuditPosition, other: AuditPosition): number {
  if (one.at !== other.at) return one.at - other.at;
  return one.id < other.id ? -1 : Number(one.id > other.id);
}
