import { describe, expect, it } from '@jest/globals';

import { Pace } from './pace.js';

/** The number of kicks that are due at each time. */
function dueAt(perSecond: number, times: readonly number[]): number[] {
  const pace = new Pace(perSecond, 1000);
  return times.map(time => pace.due(1000 + time));
}

describe('Pace', () => {
  it.each<[string, number, number[], number[]]>([
    ['one at once, then evenly', 20, [0, 50, 100, 150], [1, 1, 1, 1]],
    ['some each time', 200, [0, 50, 100], [1, 10, 10]],
    ['fewer than one each time', 5, [0, 50, 100, 150, 200, 250], [1, 0, 0, 0, 1, 0]],
    [
      'a part of a node below one a second',
      0.5,
      [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000],
      [1, 0, 0, 0, 0, 0, 0, 0, 1],
    ],
    ['no burst after a stall', 1000, [0, 10_000, 10_050], [1, 250, 50]],
  ])('has %s', (_what, perSecond, times, due) => {
    expect(dueAt(perSecond, times)).toEqual(due);
  });
});
