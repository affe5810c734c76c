import type { ConnectionView } from './connection-view.js';
import { HeartbeatError } from '../../base/heartbeat.error.js';
import { inSlices } from '../../base/slices.js';
import { attributePredicates } from './attribute-filter.js';
import { BoundedHeap } from './bounded-heap.js';
import { checkedFilter, type ConnectionFilter } from './connection-filter.js';
import type { Connection } from '../connection.js';
import type { NodeState } from '../../node/node-state.js';
import { NEVER } from '../pulse.js';
import { compareKeys, type SortOrder } from './sort-order.js';

export const SORT_KEYS = [
  'openedAt',
  'lastSeenAt',
  'lastMessageAt',
  'rttMs',
  'bufferedBytes',
  'messagesIn',
  'messagesOut',
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface ConnectionQuery {
  readonly filter: ConnectionFilter;
  readonly sort: SortKey;
  readonly order: SortOrder;
  readonly limit: number;
  /** Only rows after this position. */
  readonly after: Position | null;
}

/** The first 50 of all, oldest first. */
export const DEFAULT_QUERY: ConnectionQuery = { filter: {}, sort: 'openedAt', order: 'asc', limit: 50, after: null };

/** A position in a sorted listing: the value of the sort key and, among equal values, the id. The same on every node. */
export interface Position {
  /** Null where the connection has no value yet. Such rows are last in either order. */
  readonly key: number | null;
  readonly id: string;
}

/** The reference of the filter: the time of the query, on the clocks of the records. */
export interface QueryMoment {
  readonly now: number;
  readonly attended: number;
  readonly nodeId: string;
  readonly nodeName: string;
  /** Converts a monotonic time to epoch milliseconds, so that a position has the same meaning on every node. */
  toEpoch(moment: number): number;
}

/** @param bootedAt Epoch milliseconds of the clock's zero. */
export function momentOf({ clock, attendedMs, id, name }: NodeState, bootedAt: number): QueryMoment {
  return {
    now: clock.now(),
    attended: attendedMs,
    nodeId: id,
    nodeName: name,
    toEpoch: moment => bootedAt + moment,
  };
}

export type Predicate = (connection: Connection) => boolean;

/**
 * The filter as one function; conditions are parsed once.
 * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a condition that is unknown or has no value.
 */
export function predicateOf(filter: ConnectionFilter, moment: QueryMoment): Predicate {
  const checked = checkedFilter(filter);
  const checks: Predicate[] = attributePredicates(checked);
  const { node, state, minIdleMs, minAgeMs, minRttMs, minBufferedBytes } = checked;
  if (node !== undefined && node !== moment.nodeId && node !== moment.nodeName) return () => false;
  if (state !== undefined) checks.push(connection => connection.state === state);
  if (minAgeMs !== undefined) checks.push(({ openedAt }) => moment.now - openedAt >= minAgeMs);
  if (minRttMs !== undefined) checks.push(({ rttMs }) => rttMs !== null && rttMs >= minRttMs);
  if (minBufferedBytes !== undefined) checks.push(({ channel }) => channel.bytesWaiting >= minBufferedBytes);
  if (minIdleMs !== undefined) checks.push(connection => idleMs(connection, moment.attended) >= minIdleMs);
  return checks.length === 0 ? () => true : connection => checks.every(check => check(connection));
}

/** Time without an application message in either direction, in attended time; since the opening if there was none. */
export function idleMs({ pulse }: Connection, attended: number): number {
  return attended - Math.max(pulse.activeAt, pulse.openedAt);
}

/** A function that returns the value that a listing is sorted by, as a number; null without a value. */
function sortValue(sort: SortKey, moment: QueryMoment): (connection: Connection) => number | null {
  switch (sort) {
    case 'bufferedBytes':
      return ({ channel }) => channel.bytesWaiting;
    case 'lastSeenAt':
      return connection => moment.toEpoch(connection.pulse.seenAt(moment.now, connection.channel.bytesRead));
    case 'openedAt':
    case 'lastMessageAt':
      return ({ [sort]: at }) => (at === NEVER ? null : moment.toEpoch(at));
    default:
      return connection => connection[sort];
  }
}

/** Compares two positions: negative where `left` is before `right` in the listing. */
export function comparePositions(left: Position, right: Position, order: SortOrder): number {
  const byKey = compareKeys(left.key, right.key, order);
  if (byKey !== 0 || left.id === right.id) return byKey;
  return left.id < right.id === (order === 'asc') ? -1 : 1;
}

/** Maximum length of a page of the admin API. Its views are created at once, and sent between nodes in one message. */
export const MAX_PAGE = 500;

export interface Page {
  readonly connections: Connection[];
  /** The sort values of the connections. */
  readonly keys: readonly (number | null)[];
  /** The end of the page; null on the last page. */
  readonly end: Position | null;
  /** Number of matches, on all pages. */
  readonly total: number;
}

/** One page of a listing. */
export interface ConnectionPage {
  readonly items: ConnectionView[];
  /** The sort values of the items. */
  readonly keys: readonly (number | null)[];
  /** The start of the next page; null on the last page. */
  readonly end: Position | null;
  readonly total: number;
}

/**
 * One sorted page, found in one pass without sorting all connections.
 * @param all In the order of their ids. So of two connections with equal keys the later one has the higher id, and no ids are created,
 * which would cost more than all other work.
 */
export function pageOf(all: Iterable<Connection>, query: ConnectionQuery, moment: QueryMoment): Page {
  const search = new PageSearch(query, moment);
  for (const connection of all) search.compare(connection);
  return search.page();
}

/**
 * The same without holding the event loop for long, for any number of connections. A `Map` may change meanwhile: new connections are
 * compared too, and a connection that ends or changes after it was compared keeps its position.
 */
export async function pageInSlices(
  all: Iterable<Connection>,
  query: ConnectionQuery,
  moment: QueryMoment,
): Promise<Page> {
  const search = new PageSearch(query, moment);
  await inSlices(all, connection => search.compare(connection));
  return search.page();
}

/**
 * The first page of all connections by their opening. They are in that order, so that no connection is compared. Null for any other query.
 * @param all In the order of their opening.
 */
export function firstByOpening(
  all: Iterable<Connection>,
  { filter, sort, order, limit, after }: ConnectionQuery,
  moment: QueryMoment,
): Page | null {
  assertLimit(limit);
  if (sort !== 'openedAt' || after !== null || Object.keys(checkedFilter(filter)).length > 0) return null;
  const copy = Array.from(all);
  const total = copy.length;
  const from = Math.max(0, total - limit);
  const connections = order === 'asc' ? copy.slice(0, limit) : copy.slice(from).toReversed();
  const keys = connections.map(({ openedAt }) => moment.toEpoch(openedAt));
  const [last, key] = [connections.at(-1), keys.at(-1)];
  const end = last === undefined || key === undefined || total <= limit ? null : { key, id: last.id };
  return { connections, keys, end, total };
}

/** The state of a search for one page. */
class PageSearch {
  readonly #best: BoundedHeap;
  readonly #matches: Predicate;
  readonly #valueOf: (connection: Connection) => number | null;
  #total = 0;
  #more = false;

  constructor(
    private readonly query: ConnectionQuery,
    moment: QueryMoment,
  ) {
    assertLimit(query.limit);
    this.#best = new BoundedHeap(query.limit, query.order);
    this.#matches = predicateOf(query.filter, moment);
    this.#valueOf = sortValue(query.sort, moment);
  }

  compare(connection: Connection): void {
    if (!this.#matches(connection)) return;
    this.#total++;
    const { after, order } = this.query;
    const key = this.#valueOf(connection);
    if (after !== null && !isAfter(after, key, connection, order)) return;
    if (this.#best.isFull) this.#more = true;
    this.#best.offer(key, connection, this.#total);
  }

  page(): Page {
    const places = this.#best.sorted();
    const last = places.at(-1);
    return {
      connections: places.map(({ connection }) => connection),
      keys: places.map(({ key }) => key),
      end: this.#more && last !== undefined ? { key: last.key, id: last.connection.id } : null,
      total: this.#total,
    };
  }
}

/** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a value that is neither a whole number from 1 nor `Infinity`. */
export function assertLimit(limit: number): void {
  if (limit === Infinity || (Number.isInteger(limit) && limit > 0)) return;
  const rule = 'must be a whole number from 1';
  const problem = { key: 'limit', value: limit, rule, remedy: 'leave it out for the default' };
  throw new HeartbeatError('HEARTBEAT_BAD_QUERY', `limit is ${limit} but ${rule}`, [problem]);
}

function isAfter(after: Position, key: number | null, connection: Connection, order: SortOrder): boolean {
  const byKey = compareKeys(key, after.key, order);
  return byKey === 0 ? comparePositions({ key, id: connection.id }, after, order) > 0 : byKey > 0;
}
