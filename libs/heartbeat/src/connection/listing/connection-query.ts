import type { ConnectionView } from './connection-view.js';
import { HeartbeatError } from '../../base/heartbeat.error.js';
import { isNetwork, networkMatcher, UNIX_PEER } from '../../base/network-address.js';
import { inSlices } from '../../base/slices.js';
import { BoundedHeap } from './bounded-heap.js';
import { checkedFilter, type ConnectionFilter } from './connection-filter.js';
import type { Connection } from '../connection.js';
import type { NodeState } from '../node-state.js';
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
  /** Only what comes after this position. */
  readonly after: Position | null;
}

/** The first 50 of all, oldest first. */
export const DEFAULT_QUERY: ConnectionQuery = { filter: {}, sort: 'openedAt', order: 'asc', limit: 50, after: null };

/** A place in a sorted listing: the sort key's value and, among equals, the id. The same on every node. */
export interface Position {
  /** Null where the connection has no value yet; such come last in either order. */
  readonly key: number | null;
  readonly id: string;
}

/** What the filter compares with: the moment of asking, on the clocks that the records use. */
export interface QueryMoment {
  readonly now: number;
  readonly attended: number;
  readonly nodeId: string;
  readonly nodeName: string;
  /** A monotonic moment as epoch milliseconds, so that a position means the same on every node. */
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
 * The filter as one function that does its parsing once.
 * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a condition that is unknown or has no value.
 */
export function predicateOf(filter: ConnectionFilter, moment: QueryMoment): Predicate {
  const checks: Predicate[] = [];
  const checked = checkedFilter(filter);
  const { user, ip, path, node, state, minIdleMs, minAgeMs, minRttMs, minBufferedBytes, labels = {} } = checked;
  if (node !== undefined && node !== moment.nodeId && node !== moment.nodeName) return () => false;
  if (user !== undefined) checks.push(connection => connection.userId === user);
  if (ip !== undefined) checks.push(addressPredicate(ip));
  if (path !== undefined) checks.push(connection => connection.path === path);
  if (state !== undefined) checks.push(connection => connection.state === state);
  if (minAgeMs !== undefined) checks.push(({ openedAt }) => moment.now - openedAt >= minAgeMs);
  if (minRttMs !== undefined) checks.push(({ rttMs }) => rttMs !== null && rttMs >= minRttMs);
  if (minBufferedBytes !== undefined) checks.push(({ transport }) => transport.bytesWaiting >= minBufferedBytes);
  if (minIdleMs !== undefined) checks.push(connection => idleMs(connection, moment.attended) >= minIdleMs);
  for (const [key, value] of Object.entries(labels)) {
    checks.push(connection => Object.hasOwn(connection.labels, key) && connection.labels[key] === value);
  }
  return checks.length === 0 ? () => true : connection => checks.every(check => check(connection));
}

/** How long no application message went in either direction, in attended time; since the opening if none ever did. */
export function idleMs({ pulse }: Connection, attended: number): number {
  return attended - Math.max(pulse.activeAt, pulse.openedAt);
}

/** An address or CIDR in any spelling, or `unix:`, as a predicate; any other text matches nothing. */
function addressPredicate(text: string): Predicate {
  if (text === UNIX_PEER) return ({ ip }) => ip === UNIX_PEER;
  if (!isNetwork(text)) return () => false;
  const matches = networkMatcher([text]);
  return ({ ip }) => matches(ip);
}

/** What gives the value that a listing is sorted by, as a number; null where there is none yet. */
function sortValue(sort: SortKey, moment: QueryMoment): (connection: Connection) => number | null {
  switch (sort) {
    case 'bufferedBytes':
      return ({ transport }) => transport.bytesWaiting;
    case 'lastSeenAt':
      return connection => moment.toEpoch(connection.pulse.seenAt(moment.now, connection.transport.bytesRead));
    case 'openedAt':
    case 'lastMessageAt':
      return ({ [sort]: at }) => (at === NEVER ? null : moment.toEpoch(at));
    default:
      return connection => connection[sort];
  }
}

/** Whether `left` comes before `right` in the listing: negative, like `Array.sort`'s comparators. */
export function comparePositions(left: Position, right: Position, order: SortOrder): number {
  const byKey = compareKeys(left.key, right.key, order);
  if (byKey !== 0 || left.id === right.id) return byKey;
  return left.id < right.id === (order === 'asc') ? -1 : 1;
}

/** No page of the admin API is longer: its views are made at once, and it goes from node to node in one message. */
export const MAX_PAGE = 500;

export interface Page {
  readonly connections: Connection[];
  /** What each of them is sorted by. */
  readonly keys: readonly (number | null)[];
  /** Where the page ends; null when nothing comes after it. */
  readonly end: Position | null;
  /** How many match the filter, on all pages. */
  readonly total: number;
}

/** One page of a listing. */
export interface ConnectionPage {
  readonly items: ConnectionView[];
  /** What each of them is sorted by. */
  readonly keys: readonly (number | null)[];
  /** Where the next page begins; null on the last. */
  readonly end: Position | null;
  readonly total: number;
}

/**
 * One sorted page, found in one pass without sorting everything.
 * @param all In the order of their ids: so among equals the later one is known to be the higher, without making the ids, which
 * would cost more than all the rest.
 */
export function pageOf(all: Iterable<Connection>, query: ConnectionQuery, moment: QueryMoment): Page {
  const search = new PageSearch(query, moment);
  for (const connection of all) search.look(connection);
  return search.page();
}

/**
 * The same without holding the event loop for long, however many there are. What a `Map` gives may change meanwhile: who comes is
 * looked at too, and who ends or changes after it was looked at is where it was then.
 */
export async function pageInSlices(
  all: Iterable<Connection>,
  query: ConnectionQuery,
  moment: QueryMoment,
): Promise<Page> {
  const search = new PageSearch(query, moment);
  await inSlices(all, connection => search.look(connection));
  return search.page();
}

/** A page in the making. */
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

  look(connection: Connection): void {
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

/** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for what is no whole number from 1, and not `Infinity`. */
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
