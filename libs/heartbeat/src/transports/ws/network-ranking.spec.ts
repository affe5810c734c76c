import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { NetworkRanking } from './network-ranking.js';

describe('NetworkRanking', () => {
  it('returns no network while it is empty', () => {
    const ranking = new NetworkRanking();
    expect(ranking.busiest).toBeUndefined();
    ranking.change('a', 1);
    ranking.change('a', -1);
    expect([ranking.busiest, ranking.of('a')]).toEqual([undefined, 0]);
  });

  it('returns a network of the largest count after any changes', () => {
    const step = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), steps => {
        const ranking = new NetworkRanking();
        const counts = new Map<string, number>();
        for (const [network, isMore] of steps) {
          const count = counts.get(network) ?? 0;
          if (!isMore && count === 0) continue;
          ranking.change(network, isMore ? 1 : -1);
          counts.set(network, count + (isMore ? 1 : -1));
          const most = Math.max(...counts.values());
          expect(ranking.busiest === undefined ? 0 : counts.get(ranking.busiest)).toBe(most);
        }
      }),
    );
  });
});
