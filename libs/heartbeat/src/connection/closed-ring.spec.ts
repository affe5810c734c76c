import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import type { ClosedView } from '../connection-view.js';
import { ClosedRing } from './closed-ring.js';

const view = (id: string) => ({ id }) as ClosedView;
const idsIn = (ring: ClosedRing) => ring.list().map(({ id }) => id);

describe('ClosedRing', () => {
  it('is empty at first', () => {
    const ring = new ClosedRing(3);
    expect([ring.list(), ring.get('1')]).toEqual([[], undefined]);
  });

  it.each([
    [3, 2, ['2', '1']],
    [3, 3, ['3', '2', '1']],
    [3, 4, ['4', '3', '2']],
    [3, 7, ['7', '6', '5']],
    [1, 2, ['2']],
    [0, 5, []],
  ])('with room for %d lists the last of %d, newest first', (capacity, added, ids) => {
    const ring = new ClosedRing(capacity);
    for (let id = 1; id <= added; id++) ring.add(view(String(id)));
    expect(idsIn(ring)).toEqual(ids);
  });

  it('finds what it still holds', () => {
    const ring = new ClosedRing(2);
    for (const id of ['1', '2', '3']) ring.add(view(id));
    expect([ring.get('1'), ring.get('2')?.id, ring.get('3')?.id]).toEqual([undefined, '2', '3']);
  });

  it('agrees with the end of a plain list', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), fc.nat(30), (capacity, added) => {
        const ring = new ClosedRing(capacity);
        const ids = Array.from({ length: added }, (_, id) => String(id));
        for (const id of ids) ring.add(view(id));
        expect(idsIn(ring)).toEqual(capacity === 0 ? [] : ids.slice(-capacity).toReversed());
      }),
    );
  });
});
