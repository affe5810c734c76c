import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { planCloses, shuffled, spreadOf } from './drain-plan.js';

const rising = (list: readonly number[]) => list.toSorted((left, right) => left - right);
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('spreadOf', () => {
  it.each([
    [0, undefined, 0],
    [1, undefined, 10],
    [7, undefined, 70],
    [499, undefined, 4990],
    [500, undefined, 5000],
    [10_000_000, undefined, 5000],
    [0, 5000, 5000],
    [3, 0, 0],
    [3, 8000, 8000],
    [20_000, 100, 100],
  ])('spreads %d connections, with drain.spreadMs %p, over %d ms', (connections, spreadMs, expected) => {
    expect(spreadOf(connections, spreadMs)).toBe(expected);
  });
});

describe('planCloses', () => {
  it.each([
    [0, 5000, 0.5, []],
    [1, 5000, 0.5, [2500]],
    [4, 1000, 0, [0, 250, 500, 750]],
    [4, 1000, 0.5, [125, 375, 625, 875]],
    [3, 0, 0.5, [0, 0, 0]],
  ])('spreads %d closes over %d ms (random %d): %p', (connections, spreadMs, random, moments) => {
    expect([...planCloses(connections, spreadMs, () => random)]).toEqual(moments);
  });

  it('gives each a random moment of its own slot: evenly paced, and ascending', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.nat(60_000),
        fc.infiniteStream(anyRandom),
        (count, spread, draws) => {
          const moments = planCloses(count, spread, () => draws.next().value);
          const slot = spread / count;
          expect(moments).toHaveLength(count);
          const outside = [...moments.entries()].filter(
            ([index, moment]) => moment < index * slot - 1e-6 || moment > (index + 1) * slot + 1e-6,
          );
          expect(outside).toEqual([]);
          expect(moments).toEqual(moments.toSorted());
        },
      ),
    );
  });

  it('is different each time', () => {
    expect([...planCloses(5, 1000)]).not.toEqual([...planCloses(5, 1000)]);
  });
});

describe('shuffled', () => {
  it('returns the same items, and leaves the given list as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.infiniteStream(anyRandom), (items, draws) => {
        const before = [...items];
        expect(rising(shuffled(items, () => draws.next().value))).toEqual(rising(items));
        expect(items).toEqual(before);
      }),
    );
  });

  it('makes every order equally likely', () => {
    const orders = [0, 1, 2].flatMap(first =>
      [0, 1].map(second => {
        const draws = [first / 3, second / 2];
        return shuffled(['a', 'b', 'c'], () => draws.shift()!).join('');
      }),
    );
    expect(orders.toSorted()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  });
});
