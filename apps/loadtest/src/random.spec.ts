import { describe, expect, it } from '@jest/globals';
import { drawIndices, seededRandom } from './random.js';

function draw(seed: number): number[] {
  return Array.from({ length: 5 }, seededRandom(seed));
}

describe('seededRandom', () => {
  it('repeats itself from the same seed only', () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('stays in [0, 1) and fills it evenly', () => {
    const values = Array.from({ length: 10_000 }, seededRandom(3));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.filter(value => value < 0.5).length).toBeCloseTo(5_000, -3);
  });
});

describe('drawIndices', () => {
  it('draws each index at most once', () => {
    const drawn = drawIndices(300, 1000, seededRandom(1));
    expect(new Set(drawn).size).toBe(300);
    expect(drawn.every(index => index >= 0 && index < 1000)).toBe(true);
  });

  it('can draw everything, and nothing', () => {
    expect(drawIndices(4, 4, seededRandom(1)).toSorted((left, right) => left - right)).toEqual([0, 1, 2, 3]);
    expect(drawIndices(0, 4, seededRandom(1))).toEqual([]);
  });
});
