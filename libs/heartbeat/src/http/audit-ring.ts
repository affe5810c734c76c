import { type AuditPosition, type AuditRecord, compareRecords, MAX_AUDIT_RECORDS } from '../messaging/shared-audit.js';

/** Maximum size of all records together, in characters. */
const MAX_CHARACTERS = 8 * 1024 * 1024;

interface Held extends AuditRecord {
  readonly serial: number;
}

/**
 * The last audit records of this node, oldest first, bounded in number and in size. Records after a mark are not in the store yet. A record
 * that is dropped before it is in the store is lost to the other nodes.
 */
export class AuditRing {
  readonly #records: Held[] = [];
  #characters = 0;
  #serial = 0;
  /** The serial of the newest record in the store. */
  #stored = 0;
  /** Records that were dropped before they were in the store. */
  lost = 0;

  constructor(
    private readonly maxRecords = MAX_AUDIT_RECORDS,
    private readonly maxCharacters = MAX_CHARACTERS,
  ) {}

  add(record: AuditRecord): void {
    this.#records.push({ ...record, serial: ++this.#serial });
    this.#characters += record.text.length;
    while (this.#records.length > this.maxRecords || this.#characters > this.maxCharacters) this.#dropOldest();
  }

  /** At most `limit` records, newest first: those before a position, or the newest. */
  read(before: AuditPosition | null, limit: number): AuditRecord[] {
    const older = this.#records.filter(each => before === null || compareRecords(each, before) < 0);
    // A correction of the clock may have set the time back.
    return older.toSorted(compareRecords).slice(-limit).toReversed();
  }

  get hasPending(): boolean {
    return this.#stored < this.#serial;
  }

  /** The oldest records that are not in the store, at most `limit`. */
  pending(limit: number): AuditRecord[] {
    const first = this.#records[0]?.serial ?? 0;
    const from = Math.max(0, this.#stored + 1 - first);
    return this.#records.slice(from, from + limit);
  }

  /** The newest record that was put in the store; null where there is none, or it was dropped here since. */
  get lastStored(): AuditRecord | null {
    return this.#records[this.#stored - (this.#records[0]?.serial ?? 0)] ?? null;
  }

  /** These records of `pending` are in the store. */
  stored(records: readonly AuditRecord[]): void {
    this.#stored = Math.max(this.#stored, (records.at(-1) as Held | undefined)?.serial ?? 0);
  }

  /** The store was emptied: no record is in it. */
  nothingStored(): void {
    this.#stored = 0;
  }

  #dropOldest(): void {
    const oldest = this.#records.shift();
    if (oldest === undefined) return;
    this.#characters -= oldest.text.length;
    if (oldest.serial <= this.#stored) return;
    this.#stored = oldest.serial;
    this.lost++;
  }
}
