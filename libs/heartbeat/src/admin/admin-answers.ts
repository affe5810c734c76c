import type { ClosedView, ConnectionView } from '../connection-view.js';

/** What a node said when it was asked; one that is silent is named, not waited for. */
export interface NodeAnswer {
  readonly id: string;
  readonly status: 'ok' | 'timeout' | 'error';
  /** All its connections, whatever the filter. */
  readonly connections: number;
  /** How old its answer is. */
  readonly ageMs: number;
}

/** Answer of `GET connections`. */
export interface ConnectionList {
  readonly items: readonly ConnectionView[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** How many match the filter, on all pages. */
  readonly total: number;
  readonly nodes: readonly NodeAnswer[];
}

/** Answer of `DELETE connections/:id`. */
export interface KickAnswer {
  readonly id: string;
  readonly node: string;
  readonly closing: true;
}

/** Answer of `GET closed`. */
export interface ClosedList {
  readonly items: readonly ClosedView[];
  readonly nextCursor: string | null;
}

/**
 * The page that comes after the connection `after`, newest first. One that has been forgotten meanwhile was older than all
 * that is remembered, so nothing comes after it.
 * @returns `end`: the id of the last item, null when nothing comes after it.
 */
export function pageOfClosed(newestFirst: readonly ClosedView[], limit: number, after: string | null) {
  const place = newestFirst.findIndex(({ id }) => id === after);
  const begin = after === null ? 0 : place === -1 ? newestFirst.length : place + 1;
  const items = newestFirst.slice(begin, begin + limit);
  const end = begin + limit < newestFirst.length ? (items.at(-1)?.id ?? null) : null;
  return { items, end };
}
