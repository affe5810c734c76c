import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { EndQueue } from './end-queue.js';

describe('EndQueue', () => {
  it('returns ended ids, the earliest first, and no others', () => {
    const queue = new EndQueue();
    for (const [id, at] of [
      ['c', 30],
      ['a', 10],
      ['d', 40],
      ['b', 20],
    ] as const)
      queue.set(id, at);
    expect([1, 2, 3, 4].map(() => queue.takeEnded(30))).toEqual(['a', 'b', 'c', undefined]);
    expect(queue.size).toBe(1);
  });

  it('is correct after any changes, and keeps no removed or moved ids', () => {
    const change = fc.tuple(fc.integer({ min: 0, max: 15 }), fc.option(fc.integer({ min: 0, max: 50 })));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), fc.integer({ min: 0, max: 50 }), (changes, now) => {
        const [queue, ends] = [new EndQueue(), new Map<string, number>()];
        for (const [number, at] of changes) {
          const id = `id ${number}`;
          if (at === null) queue.delete(id);
          else queue.set(id, at);
          if (at === null) ends.delete(id);
          else ends.set(id, at);
        }
        expect(queue.size).toBe(ends.size);
        const taken: number[] = [];
        for (let id = queue.takeEnded(now); id !== undefined; id = queue.takeEnded(now)) taken.push(ends.get(id)!);
        const ended = [...ends.values()].filter(at => at <= now).toSorted((one, other) => one - other);
        expect(taken).toEqual(ended);
      }),
    );
  });
});
