import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import type { SortOrder } from '../connection/listing/sort-order.js';
import { comparePositions, type Position } from '../connection/listing/connection-query.js';
import type { ClusterPosition } from './cluster-answers.js';
import { mergePages, type NodePage, positionOf, type Row } from './merge-pages.js';

/** Nodes and the rows that they have. */
type Nodes = Readonly<Record<string, readonly Row<string>[]>>;

const row = (key: number | null, id: string): Row<string> => ({ key, id, item: id });

/** One node's page, as `ConnectionService.list` creates it. */
function pageOf(nodes: Nodes, nodeId: string, { after, order, limit }: Turn): NodePage<string> {
  const from = positionOf(nodeId, after);
  const left = nodes[nodeId]!.toSorted((one, other) => comparePositions(one, other, order)).filter(
    candidate => from === null || comparePositions(candidate, from, order) > 0,
  );
  return { nodeId, rows: left.slice(0, limit), hasMore: left.length > limit };
}

interface Turn {
  readonly after: ClusterPosition | null;
  readonly order: SortOrder;
  readonly limit: number;
}

/** Reads all pages. `silentOn` returns the nodes that do not reply for a page. */
function walk(nodes: Nodes, order: SortOrder, limit: number, silentOn: (page: number) => readonly string[]) {
  const pages: string[][] = [];
  let after: ClusterPosition | null = null;
  do {
    const turn: Turn = { after, order, limit };
    const silent = silentOn(pages.length);
    const answers = Object.keys(nodes).filter(nodeId => !silent.includes(nodeId));
    const { items, end } = mergePages(
      answers.map(nodeId => pageOf(nodes, nodeId, turn)),
      silent,
      turn,
    );
    pages.push(items);
    // The client receives and returns JSON.
    after = JSON.parse(JSON.stringify(end)) as ClusterPosition | null;
  } while (after !== null && pages.length < 500);
  return pages;
}

const NAMES = ['a-1', 'b-2', 'c-3', 'd-4'];
const keysOf = fc.array(fc.option(fc.integer({ min: 0, max: 9 })), { maxLength: 12 });
const anyNodes = fc
  .tuple(...NAMES.map(() => keysOf))
  .map(all =>
    Object.fromEntries(all.map((keys, n) => [NAMES[n]!, keys.map((key, i) => row(key, `${NAMES[n]}.${i}`))])),
  );
const anyOrder = fc.constantFrom<SortOrder>('asc', 'desc');
const anyLimit = fc.integer({ min: 1, max: 7 });

describe('mergePages', () => {
  it('returns all rows of all nodes in order, each once, for any page size', () => {
    fc.assert(
      fc.property(anyNodes, anyOrder, anyLimit, (nodes, order, limit) => {
        const expected = Object.values(nodes)
          .flat()
          .toSorted((one, other) => comparePositions(one, other, order));
        const pages = walk(nodes, order, limit, () => []);
        expect(pages.flat()).toEqual(expected.map(({ item }) => item));
        expect(pages.slice(0, -1).every(({ length }) => length === limit)).toBe(true);
      }),
    );
  });

  it('returns each row once, also of nodes that are silent on some pages', () => {
    const silences = fc.array(fc.subarray(NAMES.slice(1)), { maxLength: 6 });
    fc.assert(
      fc.property(anyNodes, anyOrder, anyLimit, silences, (nodes, order, limit, silent) => {
        // One node always replies and has a row left for each page, so that no page is empty before all nodes have replied.
        const steady = Array.from({ length: (silent.length + 1) * limit }, (_, i) => row(i, `e-5.${i}`));
        const all = { ...nodes, 'e-5': steady };
        const seen = walk(all, order, limit, page => silent[page] ?? []).flat();
        expect(seen.toSorted()).toEqual(
          Object.values(all)
            .flat()
            .map(({ item }) => item)
            .toSorted(),
        );
      }),
    );
  });

  it('contains no nodes that continue with all others, so that a cursor stays short', () => {
    const nodes = { 'a-1': [row(1, 'a-1.1'), row(3, 'a-1.3')], 'b-2': [row(2, 'b-2.2'), row(4, 'b-2.4')] };
    const turn: Turn = { after: null, order: 'asc', limit: 3 };
    const { items, end } = mergePages(
      Object.keys(nodes).map(id => pageOf(nodes, id, turn)),
      [],
      turn,
    );
    expect(items).toEqual(['a-1.1', 'b-2.2', 'a-1.3']);
    expect(end).toEqual({ at: { key: 3, id: 'a-1.3' }, behind: [] });
  });

  it('keeps the position of a silent node, and the positions of other nodes while it catches up', () => {
    const nodes = {
      'a-1': [row(5, 'a-1.5'), row(6, 'a-1.6'), row(9, 'a-1.9')],
      'b-2': [row(1, 'b-2.1'), row(2, 'b-2.2'), row(7, 'b-2.7')],
    };
    expect(walk(nodes, 'asc', 2, page => (page === 0 ? ['b-2'] : []))).toEqual([
      ['a-1.5', 'a-1.6'],
      ['b-2.1', 'b-2.2'],
      ['b-2.7', 'a-1.9'],
    ]);
  });

  it('shows rows of a node that joins meanwhile in their order', () => {
    const before = { 'a-1': [row(1, 'a-1.1'), row(5, 'a-1.5')] };
    const first: Turn = { after: null, order: 'asc', limit: 1 };
    const { end } = mergePages([pageOf(before, 'a-1', first)], [], first);
    const now: Nodes = { ...before, 'b-2': [row(3, 'b-2.3')] };
    const second: Turn = { after: end, order: 'asc', limit: 5 };
    const { items } = mergePages(
      Object.keys(now).map(id => pageOf(now, id, second)),
      [],
      second,
    );
    expect(items).toEqual(['b-2.3', 'a-1.5']);
  });

  it('ends with a page without a row, regardless of silent nodes', () => {
    const turn: Turn = { after: { at: { key: 1, id: 'a-1.1' }, behind: [['b-2', null]] }, order: 'asc', limit: 5 };
    expect(mergePages([{ nodeId: 'a-1', rows: [], hasMore: false }], ['b-2'], turn)).toEqual({ items: [], end: null });
  });

  it('continues after a page with a silent node', () => {
    const turn: Turn = { after: null, order: 'asc', limit: 5 };
    const { end } = mergePages([{ nodeId: 'a-1', rows: [row(1, 'a-1.1')], hasMore: false }], ['b-2'], turn);
    expect(end).toEqual({ at: { key: 1, id: 'a-1.1' }, behind: [['b-2', null]] });
  });
});

describe('positionOf', () => {
  const at: Position = { key: 5, id: 'a-1.5' };
  it.each<[string, ClusterPosition | null, Position | null]>([
    ['no node has replied yet', null, null],
    ['it continues with all others', { at, behind: [['b-2', null]] }, at],
    ['all of its rows are missing', { at, behind: [['a-1', null]] }, null],
    ['some of its rows are missing', { at, behind: [['a-1', { key: 2, id: 'a-1.2' }]] }, { key: 2, id: 'a-1.2' }],
  ])('is the position after which a node continues when %s', (_, after, expected) => {
    expect(positionOf('a-1', after)).toEqual(expected);
  });
});
