import { describe, expect, it } from '@jest/globals';
import { DurationHistogram, percentile } from './statistics.js';

describe('percentile', () => {
  it.each([
    [[7], 0.5, 7],
    [[1, 2, 3, 4], 0.5, 2],
    [[1, 2, 3, 4], 0.99, 4],
    [[1, 2, 3, 4], 0, 1],
    [[1, 2, 3, 4], 1, 4],
  ])('of %j at %d is %d', (sorted, share, expected) => {
    expect(percentile(sorted, share)).toBe(expected);
  });

  it('of nothing is nothing', () => {
    expect(percentile([], 0.5)).toBeNull();
  });
});

function filled(values: readonly number[]): DurationHistogram {
  const histogram = new DurationHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('DurationHistogram', () => {
  const thousand = Array.from({ length: 1000 }, (_, index) => index + 1);

  it('is within 1 % of the true percentile', () => {
    const histogram = filled(thousand);
    for (const share of [0.01, 0.5, 0.9, 0.99]) {
      const exact = percentile(thousand, share) as number;
      expect(Math.abs((histogram.percentile(share) as number) / exact - 1)).toBeLessThan(0.0101);
    }
  });

  it('knows its maximum exactly, and never exceeds it', () => {
    const histogram = filled([0.0004, 3.21]);
    expect(histogram.max).toBe(3.21);
    expect(histogram.percentile(1)).toBeLessThanOrEqual(3.21);
  });

  it('adds up to the same wherever it was counted', () => {
    const sum = new DurationHistogram();
    sum.add(filled(thousand.slice(0, 300)).take());
    sum.add(filled(thousand.slice(300)).take());
    expect(sum.count).toBe(1000);
    expect(sum.percentile(0.5)).toBe(filled(thousand).percentile(0.5));
    expect(sum.max).toBe(1000);
  });

  it('is empty before the first value and after a take', () => {
    const histogram = filled([1]);
    histogram.take();
    expect([histogram.count, histogram.max, histogram.percentile(0.5)]).toEqual([0, null, null]);
  });
});
