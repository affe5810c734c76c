import type { NodeState } from '../../node/node-state.js';
import { inSlices, until } from '../../base/slices.js';
import { serialOf } from '../connection-id.js';
import type { EventPayload } from '../heartbeat.events.js';
import { assertLimit } from '../listing/connection-query.js';
import type { ClosedView } from '../listing/connection-view.js';
import { type ClosedFilter, closedPredicate } from './closed-filter.js';
import type { ClosedRecord } from './closed-record.js';
import { ClosedRing } from './closed-ring.js';

/** Maximum of flight entries on a page, which may end before its limit: they are most of the work, and of the bytes. */
const MAX_ENTRIES = 4000;

export interface ClosedQuery {
  readonly limit: number;
  /** Only those that closed before this one, by its id. */
  readonly after: string | null;
  readonly filter: ClosedFilter;
}

export interface ClosedPage {
  /** Newest first. */
  readonly items: ClosedView[];
  readonly hasMore: boolean;
}

/** The connections of this node that ended last. */
export class ClosedHistory {
  readonly #ring: ClosedRing<ClosedRecord>;

  constructor(private readonly node: NodeState) {
    this.#ring = new ClosedRing(node.options.closedHistory);
  }

  add(record: ClosedRecord): void {
    this.#ring.add(record);
  }

  /** The event of a close. */
  eventOf(record: ClosedRecord): EventPayload {
    const { code, reason, by } = record.closing;
    return {
      type: 'closed',
      connection: record.lastView(this.node.id),
      code,
      reason,
      by,
      durationMs: record.durationMs,
    };
  }

  get(id: string): ClosedView | undefined {
    return this.#ring.get(serialOf(this.node.id, id))?.view(this.node);
  }

  /** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a `limit` that is not a whole number from 1. */
  list(limit: number, after: string | null): ClosedView[] {
    assertLimit(limit);
    const views: ClosedView[] = [];
    for (const record of this.#ring.newestFirst(this.#serialOf(after))) {
      if (views.length >= limit) break;
      views.push(record.view(this.node));
    }
    return views;
  }

  /** One page, found in slices: the history may be large, and match rarely. */
  async page({ limit, after, filter }: ClosedQuery): Promise<ClosedPage> {
    const matches = closedPredicate(filter);
    const items: ClosedView[] = [];
    let entries = 0;
    let hasMore = false;
    const records = this.#ring.newestFirst(this.#serialOf(after));
    await inSlices(
      until(records, () => hasMore),
      record => {
        if (!matches(record)) return;
        if (items.length === limit || entries > MAX_ENTRIES) {
          hasMore = true;
          return;
        }
        const view = record.view(this.node);
        entries += view.flight.length;
        items.push(view);
      },
    );
    return { items, hasMore };
  }

  #serialOf(id: string | null): number | null {
    return id === null ? null : serialOf(this.node.id, id);
  }
}
