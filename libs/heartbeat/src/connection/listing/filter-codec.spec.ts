import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { z } from 'zod';

import type { ConnectionFilter } from './connection-filter.js';
import { predicateOf, type QueryMoment } from './connection-query.js';
import type { Connection } from '../connection.js';
import { filterFromWire, filterOnWire } from './filter-codec.js';
import { deliver } from '../../cluster/deliveries.js';
import { KICK_ALL } from '../../cluster/cluster-kicks.js';
import { LIST } from '../../cluster/list-requests.js';

const moment: QueryMoment = { now: 1000, attended: 1000, nodeId: 'n-1', nodeName: 'n', toEpoch: time => time };
const word = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 3 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '0', '\ud800', '\u2028', 'a', 'b'),
);
const labels = fc
  .array(fc.tuple(word, word), { minLength: 1, maxLength: 3 })
  .map((pairs): Record<string, string> => Object.fromEntries(pairs));
const least = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.double({ min: 0, max: 1e300, noNaN: true }));
const filters: fc.Arbitrary<ConnectionFilter> = fc.record(
  {
    user: word,
    ip: fc.constantFrom('10.0.0.1', '10.0.0.0/8', '::/0', 'x'),
    path: word,
    node: fc.constantFrom('n', 'n-1', 'm'),
    state: fc.constantFrom('open', 'probing', 'closing'),
    transport: fc.constantFrom('ws', 'graphql-ws', 'other'),
    minIdleMs: least,
    minAgeMs: least,
    minRttMs: least,
    minBufferedBytes: least,
    labels,
  },
  { requiredKeys: [] },
);
/** Connections that meet the filter except in a few fields. */
const connectionLike = (filter: ConnectionFilter) =>
  fc
    .record(
      {
        userId: fc.oneof(word, fc.constant(null)),
        path: word,
        labels: fc.oneof(labels, fc.constant({})),
        state: fc.constantFrom('open', 'probing'),
        transport: fc.constantFrom('ws', 'graphql-ws'),
        rttMs: fc.oneof(least, fc.constant(null)),
      },
      { requiredKeys: [] },
    )
    .map(differences => {
      const { user = null, path = '/', state = 'open', transport = 'ws' } = filter;
      const like = {
        userId: user,
        path,
        state,
        transport,
        labels: filter.labels ?? {},
        ip: '10.0.0.1',
        rttMs: 5e299,
        openedAt: 0,
      };
      const pulse = { activeAt: 0, openedAt: 0 };
      return { ...like, channel: { bytesWaiting: 5e299 }, pulse, ...differences } as unknown as Connection;
    });
const cases = filters.chain(filter =>
  fc.tuple(fc.constant(filter), fc.array(connectionLike(filter), { minLength: 1 })),
);

const overJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const overDeliver = (filter: ConnectionFilter) =>
  deliver.safeParse(overJson({ filter: filterOnWire(filter), text: 'x' })).data?.filter ?? null;
const overList = (filter: ConnectionFilter) => {
  const body = { filter: filterOnWire(filter), sort: 'openedAt', order: 'asc', limit: 1, after: null };
  return LIST.request.safeParse(overJson(body)).data?.filter ?? null;
};
const overKickAll = (filter: ConnectionFilter) =>
  KICK_ALL.request.safeParse(overJson({ filter: filterOnWire(filter), kick: {} })).data?.filter ?? null;

describe('a filter on its way to another node', () => {
  it.each([
    ['a message', overDeliver],
    ['a list', overList],
    ['a kick', overKickAll],
  ])('matches the same connections before and after, as part of %s', (_what, send) => {
    fc.assert(
      fc.property(cases, ([filter, connections]) => {
        const arrived = send(filter);
        expect(arrived).not.toBeNull();
        const [here, there] = [filter, arrived ?? {}].map(one => connections.filter(predicateOf(one, moment)));
        expect(there).toEqual(here);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['__proto__', 'constructor', 'toString', '', 'room', 'Zürich', '\ud800', '🙂', 'a\u0000b'])(
    'keeps the label %j',
    name => {
      const filter = { labels: Object.fromEntries([[name, 'x']]) };
      for (const arrived of [overDeliver(filter), overList(filter), overKickAll(filter)]) {
        expect(Object.entries(arrived?.labels ?? {})).toEqual([[name, 'x']]);
      }
    },
  );

  it.each<[string, unknown]>([
    ['a condition without a value', { user: undefined }],
    ['a number that JSON lacks', { minAgeMs: NaN }],
    ['an endless number', { minIdleMs: Infinity }],
    ['labels in a map', { labels: new Map([['a', 'b']]) }],
    ['an inherited condition', Object.create({ user: 'ann' })],
  ])('is not sent with %s, which JSON would lose', (_what, filter) => {
    expect(() => overDeliver(filter as ConnectionFilter)).toThrow(
      expect.objectContaining({ code: 'HEARTBEAT_BAD_QUERY' }),
    );
  });

  it.each<[string, unknown]>([
    ['a value that is no object', 'user=ann'],
    ['null', null],
    ['an unknown condition', { user: 'ann', protocol: 'ws' }],
    ['the unknown condition __proto__', JSON.parse('{"user":"ann","__proto__":"x"}')],
    ['a condition of another type', { user: 7 }],
    ['a condition that is null', { user: null }],
    ['labels without one', { labels: [] }],
    ['labels of an older node without one', { labels: {} }],
    [
      'two values for a label',
      {
        labels: [
          ['a', 'b'],
          ['a', 'c'],
        ],
      },
    ],
    ['a label without a value', { labels: [['a']] }],
    ['a label with two', { labels: [['a', 'b', 'c']] }],
    ['a label that is no text', { labels: [['a', 1]] }],
  ])('is rejected with %s', (_what, given) => {
    expect(filterFromWire.safeParse(given).success).toBe(false);
  });

  it('is read from older nodes, which send labels as an object', () => {
    const given: unknown = JSON.parse('{"labels":{"a":"b","__proto__":"x"}}');
    expect(Object.entries(filterFromWire.parse(given).labels ?? {})).toEqual([
      ['a', 'b'],
      ['__proto__', 'x'],
    ]);
  });

  it('is rejected by older nodes where it has labels, and is read by them without labels', () => {
    const older = z.strictObject({ user: z.string().optional(), labels: z.record(z.string(), z.string()).optional() });
    expect(older.safeParse(filterOnWire({ user: 'ann', labels: { a: 'b' } })).success).toBe(false);
    expect(older.parse(filterOnWire({ user: 'ann' }))).toEqual({ user: 'ann' });
  });
});
