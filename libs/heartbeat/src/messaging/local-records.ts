import { MAX_RECORDS, type OwnReport, type SharedRecord, type SharedRecords } from './shared-records.js';

interface Held {
  text: string;
  readonly reports: Map<string, string>;
  endsAt: number;
}

/** The records of nodes in one process, by id. */
export type RecordTable = Map<string, Held>;

/** Records in memory. */
export class LocalRecords implements SharedRecords {
  /** @param now The store's time. */
  constructor(
    private readonly table: RecordTable,
    private readonly now: () => number,
  ) {}

  async put(id: string, text: string, keepMs: number): Promise<void> {
    this.#put(id, text, keepMs);
  }

  async change(id: string, from: string, to: string, keepMs: number): Promise<boolean> {
    const held = this.#held(id);
    if (held?.text !== from) return false;
    held.text = to;
    held.endsAt = this.now() + keepMs;
    return true;
  }

  async read(id: string): Promise<SharedRecord | null> {
    const held = this.#held(id);
    return held === undefined ? null : shown(held);
  }

  async report(id: string, { nodeId, report, text, keepMs }: OwnReport): Promise<SharedRecord> {
    const held = this.#held(id) ?? this.#put(id, text, keepMs);
    held.reports.set(nodeId, report);
    held.endsAt = this.now() + keepMs;
    return shown(held);
  }

  #held(id: string): Held | undefined {
    const held = this.table.get(id);
    return held !== undefined && held.endsAt > this.now() ? held : undefined;
  }

  #put(id: string, text: string, keepMs: number): Held {
    const held: Held = { text, reports: new Map(), endsAt: this.now() + keepMs };
    this.table.delete(id);
    this.table.set(id, held);
    for (const [old, { endsAt }] of this.table) {
      if (endsAt <= this.now() || this.table.size > MAX_RECORDS) this.table.delete(old);
    }
    return held;
  }
}

function shown({ text, reports }: Held): SharedRecord {
  return { text, reports: new Map(reports) };
}
