import type { AuditActor, AuditChange, AuditResult } from '../node/audit-entry.js';

const WINDOW_MS = 60_000;
/** Entries of a kind that are written one by one within the window; further ones are counted. */
const MAX_ENTRIES = 60;
/** Kinds that are counted separately; all others share one count. */
const MAX_KINDS = 100;
const FURTHER = 'further';

/** The entries of a kind within the window. */
interface Kind {
  readonly actor: AuditActor;
  readonly what: string;
  entries: number;
  /** The number of entries that were not written, by result. */
  readonly counts: Map<AuditResult, number>;
}

/**
 * Limits frequent entries of the audit trail. The first 60 of a kind within a minute are written. The others are counted, and written as one
 * entry for each result at the end of that minute.
 */
export class EntryLimit {
  readonly #kinds = new Map<string, Kind>();
  #timer: NodeJS.Timeout | null = null;

  /** @param target The object of the entries with a count: this node. */
  constructor(
    private readonly target: string,
    private readonly write: (actor: AuditActor, change: AuditChange) => void,
  ) {}

  /**
   * @param kind Entries of a kind have the same action.
   * @param common The actor of an entry with a count. Default: the actor.
   */
  record(kind: string, actor: AuditActor, change: AuditChange, common = actor): void {
    const known = this.#kindOf(kind, common, change.what);
    if (known.entries < MAX_ENTRIES) {
      known.entries++;
      return this.write(actor, change);
    }
    known.counts.set(change.result, (known.counts.get(change.result) ?? 0) + 1);
  }

  /** Writes the counts, and clears the timer. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const kinds = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const { actor, what, counts } of kinds) {
      for (const [result, count] of counts) {
        this.write(actor, { what, target: this.target, result, parameters: { count } });
      }
    }
  }

  #kindOf(kind: string, actor: AuditActor, what: string): Kind {
    const name = this.#kinds.has(kind) || this.#kinds.size < MAX_KINDS ? kind : FURTHER;
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    const made: Kind = { actor, what, entries: 0, counts: new Map() };
    this.#kinds.set(name, made);
    this.#timer ??= setTimeout(() => this.close(), WINDOW_MS).unref();
    return made;
  }
}
