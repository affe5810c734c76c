import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import {
  comparePositions,
  DEFAULT_QUERY,
  firstByOpening,
  pageInSlices,
  pageOf,
  type Position,
  type QueryMoment,
  SORT_KEYS,
  type SortKey,
} from './connection-query.js';
import type { Connection } from '../connection.js';
import { NEVER } from '../pulse.js';

/** The fields that a listing sorts by. */
interface Row {
  id: string;
  openedAt: number;
  lastSeenAt: number;
  lastMessageAt: number;
  rttMs: number | null;
  messagesIn: number;
  messagesOut: number;
  channel: { bytesWaiting: number };
}

const EPOCH = 1_700_000_000_000;
const moment: QueryMoment = {
  now: 1000,
  attended: 1000,
  nodeId: 'blue-1',
  nodeName: 'blue',
  toEpoch: time => EPOCH + time,
};

const asConnections = (rows: readonly Row[]) =>
  rows.map(one => ({ ...one, pulse: { seenAt: () => one.lastSeenAt } })) as unknown as Connection[];
/** In the order of the registry. */
const byId = (left: Row, right: Row) => (left.id < right.id ? -1 : 1);
const idsOf = (connections: readonly Connection[]) => connections.map(({ id }) => id);

/** Few different values, so that many keys are equal. */
const value = fc.integer({ min: 0, max: 3 });
const row = fc
  .record({
    openedAt: value,
    lastSeenAt: value,
    lastMessageAt: fc.oneof(value, fc.constant(NEVER)),
    rttMs: fc.oneof(value, fc.constant(null)),
    messagesIn: value,
    messagesOut: value,
    bytesWaiting: value,
  })
  .map(({ bytesWaiting, ...rest }): Omit<Row, 'id'> => ({ ...rest, channel: { bytesWaiting } }));
const rows = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-c]{1,3}$/), row), { selector: ([id]) => id, maxLength: 20 })
  .map(pairs => pairs.map(([id, rest]): Row => ({ id, ...rest })).toSorted(byId));
const sort = fc.constantFrom(...SORT_KEYS);
const order = fc.constantFrom('asc', 'desc');

/** The value that a listing shows under this key; null without one. */
function shown(of: Row, key: SortKey): number | null {
  if (key === 'bufferedBytes') return of.channel.bytesWaiting;
  return of[key] === NEVER ? null : of[key];
}

/** The whole listing by a simple algorithm: sorted by key, then by id, with nulls at the end. */
function sorted(all: readonly Row[], key: SortKey, direction: 'asc' | 'desc'): Row[] {
  const sign = direction === 'asc' ? 1 : -1;
  return all.toSorted((left, right) => {
    const [a, b] = [shown(left, key), shown(right, key)];
    if (a === b) return sign * (left.id < right.id ? -1 : 1);
    if (a === null || b === null) return a === null ? 1 : -1;
    return sign * (a - b);
  });
}

describe('pageOf', () => {
  it('returns consecutive pages of the sorted listing, for any key, order and size', () => {
    fc.assert(
      fc.property(rows, sort, order, fc.integer({ min: 1, max: 7 }), (all, key, direction, limit) => {
        const whole = sorted(all, key, direction).map(({ id }) => id);
        const pages: string[][] = [];
        let after: Position | null = null;
        do {
          const page = pageOf(asConnections(all), { filter: {}, sort: key, order: direction, limit, after }, moment);
          expect(page.total).toBe(all.length);
          pages.push(idsOf(page.connections));
          after = page.end;
        } while (after !== null);
        expect(pages).toEqual(
          Array.from({ length: Math.max(1, Math.ceil(whole.length / limit)) }, (_, index) =>
            whole.slice(index * limit, (index + 1) * limit),
          ),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('shows each remaining connection exactly once while others open and close between the pages', () => {
    fc.assert(
      fc.property(rows, rows, fc.integer({ min: 1, max: 4 }), order, (first, others, limit, direction) => {
        const staying = first.filter((_, index) => index % 2 === 0);
        const names = new Set(first.map(({ id }) => id));
        const coming = others.filter(({ id }) => !names.has(id));
        const seen: string[] = [];
        let after: Position | null = null;
        for (let page = 0; ; page++) {
          const all = page === 0 ? first : [...staying, ...coming.slice(0, page)].toSorted(byId);
          const query = { filter: {}, sort: 'openedAt', order: direction, limit, after } as const;
          const { connections, end } = pageOf(asConnections(all), query, moment);
          seen.push(...idsOf(connections));
          if (end === null) break;
          after = end;
        }
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen).toEqual(expect.arrayContaining(staying.map(({ id }) => id)));
      }),
      { numRuns: 300 },
    );
  });

  it('counts all matches, on all pages', () => {
    const all = Array.from({ length: 9 }, (_, index) => ({
      id: String(index),
      openedAt: index,
      path: index % 3 ? '/a' : '/b',
    }));
    const query = { filter: { path: '/a' }, sort: 'openedAt', order: 'asc', limit: 2 } as const;
    const first = pageOf(all as unknown as Connection[], { ...query, after: null }, moment);
    expect([idsOf(first.connections), first.total]).toEqual([['1', '2'], 6]);
    const next = pageOf(all as unknown as Connection[], { ...query, after: first.end }, moment);
    expect([idsOf(next.connections), next.total]).toEqual([['4', '5'], 6]);
  });

  it('is empty, and the last page, without a match or without a later row', () => {
    const query = { filter: {}, sort: 'openedAt', order: 'asc', limit: 5 } as const;
    const nothing = { connections: [], keys: [], end: null, total: 0 };
    expect(pageOf([], { ...query, after: null }, moment)).toEqual(nothing);
    const one = [{ id: 'a', openedAt: 5 }] as unknown as Connection[];
    expect(pageOf(one, { ...query, after: { key: EPOCH + 6, id: '' } }, moment)).toEqual({ ...nothing, total: 1 });
  });

  it.each<[SortKey, number]>([
    ['openedAt', EPOCH + 7],
    ['lastSeenAt', EPOCH + 7],
    ['lastMessageAt', EPOCH + 7],
    ['rttMs', 7],
    ['messagesIn', 7],
    ['bufferedBytes', 7],
  ])('returns the end by %s as a value with the same meaning on every node', (key, expected) => {
    const all = ['a', 'b'].map(id => ({
      id,
      openedAt: 7,
      lastMessageAt: 7,
      rttMs: 7,
      messagesIn: 7,
      channel: { bytesWaiting: 7 },
      pulse: { seenAt: () => 7 },
    }));
    const query = { filter: {}, sort: key, order: 'asc', limit: 1, after: null } as const;
    expect(pageOf(all as unknown as Connection[], query, moment).end).toEqual({ key: expected, id: 'a' });
  });
});

describe('comparePositions', () => {
  const position = fc.record({ key: fc.oneof(value, fc.constant(null)), id: fc.constantFrom('a', 'b', 'c') });

  it.each([
    ['by the key', { key: 1, id: 'b' }, { key: 2, id: 'a' }, -1, 1],
    ['by the id among equals', { key: 1, id: 'a' }, { key: 1, id: 'b' }, -1, 1],
    ['none before itself', { key: 1, id: 'a' }, { key: 1, id: 'a' }, 0, 0],
    ['a missing value last, in either order', { key: null, id: 'a' }, { key: 9, id: 'b' }, 1, 1],
    ['missing values by their ids', { key: null, id: 'a' }, { key: null, id: 'b' }, -1, 1],
  ] as const)('puts %s', (_what, left, right, rising, falling) => {
    expect([comparePositions(left, right, 'asc'), comparePositions(left, right, 'desc')].map(Math.sign)).toEqual([
      rising,
      falling,
    ]);
  });

  it('is an order: antisymmetric and transitive', () => {
    fc.assert(
      fc.property(position, position, position, order, (a, b, c, direction) => {
        const compare = (left: Position, right: Position) => Math.sign(comparePositions(left, right, direction));
        expect(compare(a, b) + compare(b, a)).toBe(0);
        expect(compare(a, b) >= 0 || compare(b, c) >= 0 || compare(a, c) < 0).toBe(true);
      }),
    );
  });
});

/** By serial, as in the registry. */
const crowd = (size: number) =>
  new Map(Array.from({ length: size }, (_, id) => [id, { id: String(id).padStart(6, '0'), openedAt: id }]));
const asAll = (of: ReturnType<typeof crowd>) => of.values() as unknown as Iterable<Connection>;

describe('firstByOpening', () => {
  it.each([
    ['asc', 3],
    ['desc', 3],
    ['asc', 10],
    ['desc', 10],
    ['desc', Infinity],
  ] as const)('is the same page as of a search: %s, limit %d', (direction, limit) => {
    for (const size of [0, 1, 3, 4, 10]) {
      const [all, query] = [crowd(size), { ...DEFAULT_QUERY, order: direction, limit }];
      expect(firstByOpening(asAll(all), query, moment)).toEqual(pageOf(asAll(all), query, moment));
    }
  });

  it.each([{ sort: 'rttMs' as const }, { filter: { user: 'a' } }, { after: { key: 1, id: '000001' } }])(
    'leaves %j to a search',
    more => {
      expect(firstByOpening(asAll(crowd(5)), { ...DEFAULT_QUERY, ...more }, moment)).toBeNull();
    },
  );

  it('rejects the same limits and filters', () => {
    const faults = [{ limit: 0 }, { filter: { nonsense: 1 } as never }, { filter: [] as never }];
    for (const more of faults) {
      expect(() => firstByOpening([], { ...DEFAULT_QUERY, ...more }, moment)).toThrow(
        expect.objectContaining({ code: 'HEARTBEAT_BAD_QUERY' }),
      );
    }
  });
});

describe('pageInSlices', () => {
  const query = { ...DEFAULT_QUERY, order: 'desc', limit: 3 } as const;

  it('finds the same page as in one pass', async () => {
    const all = crowd(1000);
    expect(await pageInSlices(asAll(all), query, moment)).toEqual(pageOf(asAll(all), query, moment));
  });

  it('lets the event loop run, and shows all remaining connections, while some close and some open', async () => {
    const all = crowd(200_000);
    let turns = 0;
    const change = () => {
      all.delete(turns);
      all.set(1_000_000 + turns, { id: `new-${turns}`, openedAt: -1 });
      turns++;
      timer = setImmediate(change);
    };
    let timer = setImmediate(change);
    const { connections, total } = await pageInSlices(asAll(all), query, moment).finally(() => clearImmediate(timer));
    expect(turns).toBeGreaterThan(3);
    expect(idsOf(connections)).toEqual(['199999', '199998', '199997']);
    // A connection that opens before the end is reached is included, and so is one that closes after it was compared.
    expect([total >= 200_000, total <= 200_000 + turns]).toEqual([true, true]);
  });

  it.each([0, -1, 2.5, Number.NaN])('rejects a page of %d', async limit => {
    const told = { code: 'HEARTBEAT_BAD_QUERY' };
    await expect(pageInSlices([], { ...query, limit }, moment)).rejects.toMatchObject(told);
  });

  it('returns all rows for an unlimited page', async () => {
    const page = await pageInSlices(asAll(crowd(100)), { ...query, limit: Infinity }, moment);
    expect([page.connections.length, page.end]).toEqual([100, null]);
  });
});
