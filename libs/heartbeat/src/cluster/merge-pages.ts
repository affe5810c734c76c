import type { SortOrder } from '../connection/listing/sort-order.js';
import { comparePositions, type Position } from '../connection/listing/connection-query.js';
import type { ClusterPosition } from './cluster-answers.js';

/** One row of a node's page, and its position. */
export interface Row<Item> extends Position {
  readonly item: Item;
}

/** The rows of one node after its position, in order. */
export interface NodePage<Item> {
  readonly nodeId: string;
  readonly rows: readonly Row<Item>[];
  /** Whether the node has more rows after its last one. */
  readonly hasMore: boolean;
}

export interface MergedPage<Item> {
  readonly items: Item[];
  /** Null on the last page. */
  readonly end: ClusterPosition | null;
}

/** The position after which a node continues. */
export function positionOf(nodeId: string, after: ClusterPosition | null): Position | null {
  const own = after?.behind.find(([id]) => id === nodeId);
  return own === undefined ? (after?.at ?? null) : own[1];
}

/**
 * The first `limit` rows of all pages together. A silent node keeps its position, so that its rows follow on a later page: out of order,
 * but not lost. A page without a row is the last, regardless of silent nodes, so that paging always ends.
 */
export function mergePages<Item>(
  pages: readonly NodePage<Item>[],
  silent: readonly string[],
  { after, order, limit }: { after: ClusterPosition | null; order: SortOrder; limit: number },
): MergedPage<Item> {
  const taken = pages.map(() => 0);
  const items: Item[] = [];
  let last: Position | null = null;
  while (items.length < limit) {
    const first = firstOf(pages, taken, order);
    if (first === null) break;
    const row = pages[first]!.rows[taken[first]!++]!;
    items.push(row.item);
    last = row;
  }
  const isLeft = pages.some(({ rows, hasMore }, place) => hasMore || taken[place]! < rows.length);
  if (!isLeft && (silent.length === 0 || items.length === 0)) return { items, end: null };
  const at = later(after?.at ?? null, last, order);
  const answered = new Set(pages.map(({ nodeId }) => nodeId));
  const behind = new Map((after?.behind ?? []).filter(([nodeId]) => !answered.has(nodeId)));
  for (const nodeId of silent) behind.set(nodeId, positionOf(nodeId, after));
  for (const [place, page] of pages.entries()) {
    const rows = page.rows.slice(0, taken[place]);
    const position = rows.at(-1) ?? positionOf(page.nodeId, after);
    if (isBehind(page, rows.length, position, at, order)) behind.set(page.nodeId, plain(position));
  }
  return { items, end: { at: plain(at), behind: [...behind] } };
}

/** The page whose next row is first; null when there is no row left. */
function firstOf<Item>(pages: readonly NodePage<Item>[], taken: readonly number[], order: SortOrder): number | null {
  let first: number | null = null;
  for (const [place, { rows }] of pages.entries()) {
    const row = rows[taken[place]!];
    if (row === undefined) continue;
    if (first === null || comparePositions(row, pages[first]!.rows[taken[first]!]!, order) < 0) first = place;
  }
  return first;
}

/** Whether a node that replied has rows left before `at`. */
function isBehind<Item>(
  { rows, hasMore }: NodePage<Item>,
  taken: number,
  position: Position | null,
  at: Position | null,
  order: SortOrder,
): boolean {
  if (at === null) return false;
  const next = rows[taken];
  if (next !== undefined) return comparePositions(next, at, order) <= 0;
  return hasMore && (position === null || comparePositions(position, at, order) < 0);
}

function later(one: Position | null, other: Position | null, order: SortOrder): Position | null {
  if (one === null || other === null) return one ?? other;
  return comparePositions(one, other, order) > 0 ? one : other;
}

function plain(position: Position | null): Position | null {
  return position && { key: position.key, id: position.id };
}
