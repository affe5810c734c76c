import { Inject, Injectable } from '@nestjs/common';

import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { inSlices, until } from '../base/slices.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import type { AuditPosition, AuditRecord } from '../messaging/shared-audit.js';
import { parseBy } from '../messaging/wire.js';
import { NodeState } from '../node/node-state.js';
import { auditEntry, type AuditEntry, type AuditView, type RecordedEntry } from './audit-view.js';
import { AuditRing } from './audit-ring.js';

/** Records that are sent to Redis together, and records of one reading from it. Each has at most some kilobytes. */
const SENT_AT_ONCE = 50;
const READ_AT_ONCE = 250;
/** A clock that is corrected by less does not change the order of this node's entries. */
const CORRECTION_MS = 1000;

/** A page of the audit trail, newest first. */
export interface AuditQuery {
  readonly limit: number;
  /** The last entry of the page before; null for the first page. */
  readonly after: AuditPosition | null;
  /** Only entries from this time on, in epoch milliseconds. */
  readonly since?: number | undefined;
  matches(entry: AuditView): boolean;
}

export interface AuditPage {
  readonly items: readonly AuditView[];
  /** The last entry, where more follow. */
  readonly end: AuditPosition | null;
  /** Whether Redis did not respond, so that these are the entries of this node only. */
  readonly isDegraded: boolean;
}

type Read = (before: AuditPosition | null, limit: number) => Promise<AuditRecord[]>;

/**
 * The entries of the audit trail: the last 10,000 of all nodes in Redis, or of this node without Redis. Each node also holds its own last
 * entries in memory. An entry is added there at once and sent to Redis afterwards, so that no change waits for Redis. Entries that Redis
 * lacks are sent when it responds again, in their order; adding one twice has no effect. A Redis that was emptied receives all entries that
 * the nodes hold.
 */
@Injectable()
export class AuditStore {
  readonly #ring = new AuditRing();
  #serial = 0;
  #lastAt = 0;
  #sending: Promise<boolean> | null = null;
  /** Whether Redis may have lost entries that it had. */
  #isDoubtful = false;

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly membership: ClusterMembership,
  ) {
    if (!bus.isShared) return;
    membership.renewals.subscribe(({ isNew }) => {
      this.#isDoubtful ||= isNew;
      void this.#send();
    });
    membership.beforeLeaving(() => this.#send());
  }

  /** Never throws, and waits for nothing. */
  add(given: AuditEntry): RecordedEntry {
    const at = this.#nextTime();
    const id = `${this.node.id}.${(++this.#serial).toString(36).padStart(7, '0')}`;
    const entry: RecordedEntry = { id, at: new Date(at).toISOString(), node: this.node.id, ...given };
    const { lost } = this.#ring;
    this.#ring.add({ id, at, text: JSON.stringify(entry) });
    if (this.bus.isShared) {
      if (this.#ring.lost > lost) this.membership.failed('audit');
      void this.#send();
    }
    return entry;
  }

  /** Reads Redis where it responds, and the entries of this node otherwise. */
  async page(query: AuditQuery): Promise<AuditPage> {
    if (!this.bus.isShared) return { ...(await collect(query, this.#readOwn)), isDegraded: false };
    try {
      if (await this.#send()) {
        return { ...(await collect(query, (...given) => this.bus.audit.read(...given))), isDegraded: false };
      }
    } catch (error) {
      this.membership.failed('audit', error);
    }
    return { ...(await collect(query, this.#readOwn)), isDegraded: true };
  }

  /** All of them at once, since each reading puts them in order. */
  readonly #readOwn: Read = async before => this.#ring.read(before, Infinity);

  #nextTime(): number {
    const at = Math.trunc(this.membership.storeTime(this.node.clock.now()));
    const isCorrection = at < this.#lastAt && this.#lastAt - at < CORRECTION_MS;
    return isCorrection ? this.#lastAt : (this.#lastAt = at);
  }

  /** Sends what Redis lacks; one sending runs at a time. Resolves with whether Redis has all. Never rejects. */
  #send(): Promise<boolean> {
    this.#sending ??= this.#run().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #run(): Promise<boolean> {
    const ring = this.#ring;
    try {
      while (this.bus.isUp && (ring.hasPending || this.#isDoubtful)) {
        const records = ring.pending(SENT_AT_ONCE);
        const has = await this.bus.audit.add(records, ring.lastStored);
        this.#isDoubtful = false;
        ring.stored(records);
        if (!has) ring.nothingStored();
      }
      return this.bus.isUp;
    } catch (error) {
      this.membership.failed('audit', error);
      return false;
    }
  }
}

/**
 * Reads until the page is full. The number of readings is bounded, since the trail is. Works in slices: a filter that matches rarely has
 * 10,000 entries parsed.
 */
async function collect(
  { limit, after, since = -Infinity, matches }: AuditQuery,
  read: Read,
): Promise<Pick<AuditPage, 'items' | 'end'>> {
  const items: AuditView[] = [];
  let last: AuditPosition | null = null;
  let end: AuditPosition | null = null;
  let isOver = false;
  const take = ({ id, at, text }: AuditRecord) => {
    isOver = at < since;
    const entry = isOver ? null : parseBy(auditEntry, text);
    if (entry === null || !matches(entry)) return;
    if (items.length === limit) {
      end = last;
      isOver = true;
      return;
    }
    items.push(entry);
    last = { id, at };
  };
  for (let before = after; !isOver;) {
    const records = await read(before, READ_AT_ONCE);
    await inSlices(
      until(records, () => isOver),
      take,
    );
    before = records.at(-1) ?? null;
    isOver ||= before === null || records.length < READ_AT_ONCE;
  }
  return { items, end };
}
