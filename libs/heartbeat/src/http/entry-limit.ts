import type { AuditActor, AuditChange, AuditResult } from '../node/audit-entry.js';

const WINDOW_MS = 60_000;
/** Entries of a kind that are written one by one within the window; further ones are counted. */
const MAX_ENTRIES = 60;
/** Kinds that are counted separately; all others share one count. */
const MAX_KINDS = 100;
const FURTHER = 'further';
/** The actor of the entries with a count of all kinds that are not counted separately. */
const FURTHER_SENDERS: AuditActor = { who: FURTHER, role: null, from: null };
/** Actions and results that are counted separately for a kind; all others share one count. */
const MAX_COUNTS = 100;

/** Entries that were not written, of one action with one result. */
interface Count {
  readonly what: string;
  readonly result: AuditResult;
  count: number;
}

/** The entries of a kind within the window. */
interface Kind {
  readonly actor: AuditActor;
  entries: number;
  /** By action and result. */
  readonly counts: Map<string, Count>;
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
   * @param kind An action, or a sender.
   * @param common The actor of an entry with a count. Default: the actor.
   */
  record(kind: string, actor: AuditActor, change: AuditChange, common = actor): void {
    const known = this.#kindOf(kind, common);
    if (known.entries < MAX_ENTRIES) {
      known.entries++;
      return this.write(actor, change);
    }
    const { result } = change;
    const isSeparate = known.actor !== FURTHER_SENDERS && known.counts.size < MAX_COUNTS;
    const what = isSeparate || known.counts.has(`${change.what} ${result}`) ? change.what : FURTHER;
    const of = known.counts.get(`${what} ${result}`);
    if (of === undefined) known.counts.set(`${what} ${result}`, { what, result, count: 1 });
    else of.count++;
  }

  /** Writes the counts, and clears the timer. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const kinds = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const { actor, counts } of kinds) {
      for (const { what, result, count } of counts.values()) {
        this.write(actor, { what, target: this.target, result, parameters: { count } });
      }
    }
  }

  #kindOf(kind: string, actor: AuditActor): Kind {
    const name = this.#kinds.has(kind) || this.#kinds.size < MAX_KINDS ? kind : FURTHER;
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    const made: Kind = { actor: name === kind ? actor : FURTHER_SENDERS, entries: 0, counts: new Map() };
    this.#kinds.set(name, made);
    this.#timer ??= setTimeout(() => this.close(), WINDOW_MS).unref();
    return made;
  }
}
