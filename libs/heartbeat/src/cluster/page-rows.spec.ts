import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import type { ConnectionView } from '../connection/listing/connection-view.js';
import { comparePositions, type SortKey } from '../connection/listing/connection-query.js';
import type { SortOrder } from '../connection/listing/sort-order.js';
import type { ClusterPosition } from './cluster-answers.js';
import { type NodePage, positionOf } from './merge-pages.js';
import { pageWithRows } from './page-rows.js';

type Keys = Readonly<Record<string, readonly (number | null)[]>>;

const NODES = ['a-1', 'b-2', 'c-3', 'd-4'];
const idOf = (nodeId: string, place: number) => `${nodeId}.${String(place).padStart(8, '0')}`;
const viewOf = (id: string) => ({ id }) as ConnectionView;

function keyPage(keys: Keys, nodeId: string, { after, order, limit }: Turn): NodePage<string> {
  const from = positionOf(nodeId, after);
  const rows = (keys[nodeId] ?? [])
    .map((key, place) => ({ key, id: idOf(nodeId, place), item: idOf(nodeId, place) }))
    .toSorted((one, other) => comparePositions(one, other, order))
    .filter(row => from === null || comparePositions(row, from, order) > 0);
  return { nodeId, rows: rows.slice(0, limit), hasMore: rows.length > limit };
}

interface Turn {
  readonly after: ClusterPosition | null;
  readonly sort: SortKey;
  readonly order: SortOrder;
  readonly limit: number;
}

/** Reads all pages. `trouble` returns for each page the silent nodes, and which of them are silent only for their rows. */
async function walk(keys: Keys, order: SortOrder, limit: number, trouble: readonly Trouble[]) {
  const pages: string[][] = [];
  let asked = 0;
  let after: ClusterPosition | null = null;
  do {
    const turn: Turn = { after, sort: 'messagesIn', order, limit };
    const { silent = [], rowless = [] } = trouble[pages.length] ?? {};
    const answering = Object.keys(keys).filter(nodeId => !silent.includes(nodeId));
    const fetchRows = async (nodeId: string, ids: readonly string[]) => {
      asked += ids.length;
      return rowless.includes(nodeId) ? null : new Map(ids.map(id => [id, viewOf(id)]));
    };
    const all = answering.map(nodeId => keyPage(keys, nodeId, turn));
    const { items, end } = await pageWithRows(all, silent, turn, fetchRows);
    pages.push(items.map(({ id }) => id));
    after = end;
  } while (after !== null && pages.length < 500);
  return { pages, asked };
}

interface Trouble {
  readonly silent?: readonly string[];
  readonly rowless?: readonly string[];
}

const anyKeys = fc
  .tuple(...NODES.map(() => fc.array(fc.option(fc.integer({ min: 0, max: 9 })), { maxLength: 10 })))
  .map((all): Keys => Object.fromEntries(all.map((keys, place) => [NODES[place]!, keys])));
const anyOrder = fc.constantFrom<SortOrder>('asc', 'desc');

describe('pageWithRows', () => {
  it('returns all rows in order, each once, and requests only those', async () => {
    await fc.assert(
      fc.asyncProperty(anyKeys, anyOrder, fc.integer({ min: 1, max: 7 }), async (keys, order, limit) => {
        const expected = Object.entries(keys)
          .flatMap(([nodeId, own]) => own.map((key, place) => ({ key, id: idOf(nodeId, place) })))
          .toSorted((one, other) => comparePositions(one, other, order));
        const { pages, asked } = await walk(keys, order, limit, []);
        expect(pages.flat()).toEqual(expected.map(({ id }) => id));
        expect(asked).toBe(expected.length);
      }),
    );
  });

  it('returns each row once, also of nodes that are silent on some pages, at once or only for their rows', async () => {
    const some = fc.subarray(NODES.slice(1));
    const troubles = fc.array(fc.record({ silent: some, rowless: some }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        anyKeys,
        anyOrder,
        fc.integer({ min: 1, max: 7 }),
        troubles,
        async (keys, order, limit, trouble) => {
          // One node always replies and has rows on every page, so that no page is empty before all nodes have replied.
          const steady = Array.from({ length: (trouble.length + 1) * limit * 8 }, (_, place) => place % 10);
          const all: Keys = { ...keys, 'e-5': steady };
          const seen = (await walk(all, order, limit, trouble)).pages.flat();
          const expected = Object.entries(all).flatMap(([nodeId, own]) => own.map((_, place) => idOf(nodeId, place)));
          expect(seen.toSorted()).toEqual(expected.toSorted());
        },
      ),
    );
  });

  it.each<[SortKey, Partial<ConnectionView>, number | null, unknown]>([
    ['lastSeenAt', { lastSeenAt: '2026-01-01T00:00:09.000Z' }, Date.UTC(2026, 0, 1), '2026-01-01T00:00:00.000Z'],
    ['lastMessageAt', { lastMessageAt: '2026-01-01T00:00:09.000Z' }, null, null],
    ['rttMs', { rttMs: 7.5 }, null, null],
    ['bufferedBytes', { bufferedBytes: 0 }, 4096, 4096],
    ['messagesOut', { messagesOut: 9 }, 8, 8],
  ])(
    'shows the value by which a row was sorted, also where it has changed since: %s',
    async (sort, moved, key, value) => {
      const [id, turn] = [idOf('a-1', 0), { after: null, sort, order: 'asc', limit: 1 } as const];
      const page = keyPage({ 'a-1': [key] }, 'a-1', turn);
      const row = { ...viewOf(id), ...moved } as ConnectionView;
      const { items } = await pageWithRows([page], [], turn, async () => new Map([[id, row]]));
      expect(items).toEqual([{ ...row, [sort]: value }]);
    },
  );

  it('leaves out connections that have ended meanwhile, and continues', async () => {
    const turn: Turn = { after: null, sort: 'messagesIn', order: 'asc', limit: 2 };
    const pages = [keyPage({ 'a-1': [1, 2, 3] }, 'a-1', turn)];
    const { items, end, failed } = await pageWithRows(pages, [], turn, async () => new Map());
    expect([items, end, failed.size]).toEqual([[], { at: { key: 2, id: idOf('a-1', 1) }, behind: [] }, 0]);
  });

  it('lists nodes that sent their keys and not their rows as failed', async () => {
    const turn: Turn = { after: null, sort: 'messagesIn', order: 'asc', limit: 3 };
    const pages = ['a-1', 'b-2'].map(nodeId => keyPage({ 'a-1': [1, 3], 'b-2': [2, 4] }, nodeId, turn));
    const { items, end, failed } = await pageWithRows(pages, [], turn, async (nodeId, ids) =>
      nodeId === 'b-2' ? null : new Map(ids.map(id => [id, viewOf(id)])),
    );
    expect([items.map(({ id }) => id), [...failed]]).toEqual([[idOf('a-1', 0), idOf('a-1', 1)], ['b-2']]);
    expect(end).toEqual({ at: { key: 3, id: idOf('a-1', 1) }, behind: [['b-2', null]] });
  });
});
