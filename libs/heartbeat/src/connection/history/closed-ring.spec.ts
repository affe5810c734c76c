import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { ClosedRing } from './closed-ring.js';

/** A ring of this capacity with the serials from 1 to `last`. */
function ringOf(capacity: number, last: number) {
  const ring = new ClosedRing<{ serial: number }>(capacity);
  for (let serial = 1; serial <= last; serial++) ring.add({ serial });
  const serials = (after?: number) => [...ring.newestFirst(after)].map(({ serial }) => serial);
  return { ring, serials };
}

describe('ClosedRing', () => {
  it('is empty at first', () => {
    const { ring } = ringOf(3, 0);
    expect([[...ring.newestFirst()], ring.get(1)]).toEqual([[], undefined]);
  });

  it.each([
    [3, 2, [2, 1]],
    [3, 3, [3, 2, 1]],
    [3, 4, [4, 3, 2]],
    [3, 7, [7, 6, 5]],
    [1, 2, [2]],
    [0, 5, []],
  ])('with a capacity of %d lists the last of %d, the newest first', (capacity, last, expected) => {
    expect(ringOf(capacity, last).serials()).toEqual(expected);
  });

  it.each([
    ['the newest', 5, [4, 3]],
    ['one in the middle', 4, [3]],
    ['the oldest', 3, []],
    ['a serial that has left the ring', 2, []],
    ['no serial', Number.NaN, []],
  ])('lists the records after %s', (_, after, expected) => {
    expect(ringOf(3, 5).serials(after)).toEqual(expected);
  });

  it('finds the records that it still contains', () => {
    const { ring } = ringOf(2, 3);
    expect([ring.get(1), ring.get(2)?.serial, ring.get(3)?.serial]).toEqual([undefined, 2, 3]);
  });

  it('goes on while records are added, without them and without those that they replace', () => {
    const { ring } = ringOf(4, 5);
    const records = ring.newestFirst();
    const listed = [records.next().value?.serial];
    for (const serial of [6, 7]) ring.add({ serial });
    for (const { serial } of records) listed.push(serial);
    expect(listed).toEqual([5, 4]);
  });

  it('agrees with the end of a plain list', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), fc.nat(30), (capacity, last) => {
        const all = Array.from({ length: last }, (_, index) => index + 1);
        const { serials } = ringOf(capacity, last);
        const held = capacity === 0 ? [] : all.slice(-capacity).toReversed();
        expect(serials()).toEqual(held);
        for (const [index, serial] of held.entries()) {
          expect(serials(serial)).toEqual(held.slice(index + 1));
        }
      }),
    );
  });
});
