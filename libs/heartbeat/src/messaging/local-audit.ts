import {
  type AuditPosition,
  type AuditRecord,
  compareRecords,
  MAX_AUDIT_RECORDS,
  type SharedAudit,
} from './shared-audit.js';

/** The audit trail of nodes in one process. */
export class LocalAudit implements SharedAudit {
  /** @param records Of all nodes, oldest first. */
  constructor(private readonly records: AuditRecord[]) {}

  async add(records: readonly AuditRecord[], last: AuditRecord | null): Promise<boolean> {
    const [oldest] = this.records;
    const isFull = this.records.length >= MAX_AUDIT_RECORDS;
    const has = last === null || this.#has(last) || (isFull && oldest !== undefined && oldest.at >= last.at);
    this.records.push(...records.filter(record => !this.#has(record)));
    this.records.sort(compareRecords);
    this.records.splice(0, this.records.length - MAX_AUDIT_RECORDS);
    return has;
  }

  async read(before: AuditPosition | null, limit: number): Promise<AuditRecord[]> {
    const older = before === null ? this.records : this.records.filter(record => compareRecords(record, before) < 0);
    return older.slice(-limit).toReversed();
  }

  #has({ id }: AuditRecord): boolean {
    return this.records.some(record => record.id === id);
  }
}
