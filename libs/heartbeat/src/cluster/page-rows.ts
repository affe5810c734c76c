import type { ConnectionView } from '../connection/listing/connection-view.js';
import type { SortKey } from '../connection/listing/connection-query.js';
import type { SortOrder } from '../connection/listing/sort-order.js';
import type { ClusterPosition } from './cluster-answers.js';
import { mergePages, type NodePage } from './merge-pages.js';
import type { KeysReply, ListReply } from './list-requests.js';

/** The length of the end of a connection's id: a dot, and its serial on the node. */
const SERIAL_LENGTH = 9;

interface Turn {
  readonly after: ClusterPosition | null;
  readonly sort: SortKey;
  readonly order: SortOrder;
  readonly limit: number;
}

/** Rows by their ids, without those that have ended; null when the node does not reply. */
export type FetchRows = (nodeId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, ConnectionView> | null>;

export interface PageWithRows {
  readonly items: ConnectionView[];
  /** Null on the last page. */
  readonly end: ClusterPosition | null;
  /** Nodes that sent their keys and not their rows. They count as silent on this page. */
  readonly failed: ReadonlySet<string>;
}

/**
 * The reply of another node, as keys.
 * @param rows Receives rows in the reply.
 */
export function keyPageOf(
  nodeId: string,
  answer: ListReply | KeysReply,
  rows: Map<string, ConnectionView>,
): NodePage<string> {
  const { hasMore } = answer;
  if ('keys' in answer) {
    const ids = answer.keys.map(([key, serial]) => ({ key, id: `${nodeId}.${serial}` }));
    return { nodeId, rows: ids.map(({ key, id }) => ({ key, id, item: id })), hasMore };
  }
  for (const { item } of answer.rows) rows.set(item.id, item);
  return { nodeId, rows: answer.rows.map(({ key, item: { id } }) => ({ key, id, item: id })), hasMore };
}

/**
 * Merges the keys of all nodes and then fetches the rows of the page, so that nodes send only rows that are on it. A row shows the value by
 * which it was sorted: with a later value the list would seem out of order.
 */
export async function pageWithRows(
  pages: readonly NodePage<string>[],
  silent: readonly string[],
  turn: Turn,
  fetchRows: FetchRows,
): Promise<PageWithRows> {
  const merged = mergePages(pages, silent, turn);
  const rows = new Map<string, ConnectionView>();
  const failed = new Set<string>();
  const fetches = [...idsByNode(merged.items)].map(async ([nodeId, ids]) => {
    const got = await fetchRows(nodeId, ids);
    if (got === null) failed.add(nodeId);
    for (const [id, row] of got ?? []) rows.set(id, row);
  });
  await Promise.all(fetches);
  const keys = new Map(pages.flatMap(page => page.rows.map(({ id, key }) => [id, key])));
  const shown = (ids: readonly string[]) =>
    ids.flatMap(id => {
      const row = rows.get(id);
      return row === undefined ? [] : [asSorted(row, turn.sort, keys.get(id) ?? null)];
    });
  if (failed.size === 0) return { items: shown(merged.items), end: merged.end, failed };
  // The same page without those nodes. The rest keeps its order, and those nodes keep their positions.
  const limit = merged.items.filter(id => !failed.has(nodeOf(id))).length;
  const others = pages.filter(({ nodeId }) => !failed.has(nodeId));
  const { items, end } = mergePages(others, [...silent, ...failed], { ...turn, limit });
  return { items: shown(items), end, failed };
}

function idsByNode(ids: readonly string[]): ReadonlyMap<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const id of ids) {
    const nodeId = nodeOf(id);
    const group = groups.get(nodeId);
    if (group === undefined) groups.set(nodeId, [id]);
    else group.push(id);
  }
  return groups;
}

function nodeOf(id: string): string {
  return id.slice(0, -SERIAL_LENGTH);
}

function asSorted(row: ConnectionView, sort: SortKey, key: number | null): ConnectionView {
  const isTime = typeof row[sort] === 'string';
  return { ...row, [sort]: isTime && key !== null ? new Date(key).toISOString() : key };
}
