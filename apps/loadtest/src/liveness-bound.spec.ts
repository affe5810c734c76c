import { describe, expect, it } from '@jest/globals';
import { boundMs, CONTRACT_PROMISE, lastFaultMs, shortRunProblem, smallestSeconds } from './liveness-bound.js';

describe('the bound of liveness', () => {
  it('is interval + missed pongs x pong timeout + 1 s', () => {
    expect(boundMs(CONTRACT_PROMISE)).toBe(46_000);
  });

  it('leaves room for the last fault in the shortest run', () => {
    const shortest = smallestSeconds(CONTRACT_PROMISE);
    expect(shortest).toBe(48);
    expect(lastFaultMs(shortest, CONTRACT_PROMISE)).toBe(1_000);
  });

  it.each([
    [60, 13_000],
    [100, 50_000],
    [200, 100_000],
    [10, 0],
  ])('lets faults of a run of %i s begin until %i ms', (seconds, last) => {
    expect(lastFaultMs(seconds, CONTRACT_PROMISE)).toBe(last);
  });

  it('names the smallest run that works', () => {
    expect(shortRunProblem(48, CONTRACT_PROMISE)).toBeNull();
    expect(shortRunProblem(47, CONTRACT_PROMISE)).toMatch(
      /^--seconds is 47 but must be at least 48.*give --seconds 48/,
    );
  });
});
