import { describe, expect, it } from '@jest/globals';
import { distanceFromEven, quantile } from './statistics.js';

describe('distanceFromEven', () => {
  const even = Array.from({ length: 1000 }, (_, i) => i + 0.5);

  it.each<[string, readonly number[], number]>([
    ['even values', even, 0],
    ['even values in any order', even.toReversed(), 0],
    ['all at the start', even.map(() => 0), 1],
    ['all at the end', even.map(() => 1000), 1],
    ['all in the first half', even.map(value => value / 2), 0.5],
    ['a gap of a fifth, made good at once', even.map(value => (value < 400 || value > 600 ? value : 600)), 0.2],
    ['values beyond the end', even.map(value => value * 2), 0.5],
  ])('%s', (_what, values, distance) => {
    expect(distanceFromEven(values, 0, 1000)).toBeCloseTo(distance, 2);
  });
});

describe('quantile', () => {
  it('is the value below which a share of the values lie', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(3);
    expect(quantile([4, 1, 3, 2], 0)).toBe(1);
    expect(quantile([4, 1, 3, 2], 1)).toBe(4);
    expect(quantile([], 0.5)).toBeNaN();
  });
});
