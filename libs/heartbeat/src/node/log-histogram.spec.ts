import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { HISTOGRAM_BUCKETS, LogHistogram, percentiles } from './log-histogram.js';

const of = (...values: number[]) => {
  const histogram = new LogHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
};

describe('LogHistogram', () => {
  it('finds every percentile to a quarter of its value, or to an eighth of a millisecond', () => {
    const values = fc.array(fc.double({ min: 0, max: 16_000, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
        const exact = all.toSorted((one, other) => one - other)[Math.ceil(share * all.length) - 1]!;
        const [found = Number.NaN] = percentiles(of(...all).counts, [share]) ?? [];
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(Math.max(0.1251, exact * 0.2501));
      }),
    );
  });

  it('interpolates, and returns several at once', () => {
    const all = Array.from({ length: 1000 }, (_, index) => index / 10);
    const [p50 = 0, p90 = 0, p99 = 0] = percentiles(of(...all).counts, [0.5, 0.9, 0.99]) ?? [];
    expect([Math.round(p50), Math.round(p90)]).toEqual([50, 90]);
    expect(p99).toBeGreaterThan(95);
  });

  it('has no percentile without a value', () => {
    expect(percentiles(of().counts, [0.5])).toBeNull();
  });

  it('counts what is longer than its range in the last bucket, and keeps the longest as it is', () => {
    const histogram = of(1e9, 3, 0);
    expect(histogram.counts[HISTOGRAM_BUCKETS - 1]).toBe(1);
    expect([histogram.takeMax(), histogram.takeMax()]).toEqual([1e9, 0]);
  });
});
