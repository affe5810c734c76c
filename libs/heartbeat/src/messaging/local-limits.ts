import type { LimitStore, StoredLimit, StoredLimits } from './limit-store.js';

/** The limits of nodes in one process, by key; `endsAt` is null without an end. */
export interface LimitTable {
  version: number;
  readonly entries: Map<string, Omit<StoredLimit, 'forMs'> & { readonly endsAt: number | null }>;
}

/** Limits in memory. */
export class LocalLimits implements LimitStore {
  /** @param now The store's time. */
  constructor(
    private readonly table: LimitTable,
    private readonly now: () => number,
  ) {}

  async exchange(given: readonly StoredLimit[]): Promise<StoredLimits> {
    const { entries } = this.table;
    for (const { forMs, ...entry } of given) {
      if (entry.stamp <= (entries.get(entry.key)?.stamp ?? 0)) continue;
      entries.set(entry.key, { ...entry, endsAt: forMs === null ? null : this.now() + forMs });
      this.table.version++;
    }
    const stored = [...entries.values()].map(({ endsAt, ...entry }) => ({
      ...entry,
      forMs: endsAt === null ? null : Math.max(0, endsAt - this.now()),
    }));
    return { version: this.table.version, entries: stored };
  }
}
