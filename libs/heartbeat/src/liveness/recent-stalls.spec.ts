import { describe, expect, it } from '@jest/globals';

import { RecentStalls } from './recent-stalls.js';

describe('RecentStalls', () => {
  it.each<[string, [lostMs: number, nowMs: number][], number]>([
    ['nothing was lost', [[0, 50]], 0],
    [
      'all of one second',
      [
        [300, 100],
        [0, 150],
        [200, 900],
      ],
      500,
    ],
    [
      'the second before too',
      [
        [300, 900],
        [200, 1100],
      ],
      500,
    ],
    [
      'none further back',
      [
        [300, 900],
        [200, 1100],
        [100, 2050],
      ],
      300,
    ],
    [
      'not a second that a rest lies after',
      [
        [300, 900],
        [0, 2010],
      ],
      0,
    ],
    [
      'nothing once two seconds have begun without',
      [
        [300, 900],
        [0, 1100],
        [0, 2050],
      ],
      0,
    ],
  ])('sums %s', (_, notes, sum) => {
    const stalls = new RecentStalls();
    let last = Number.NaN;
    for (const [lostMs, nowMs] of notes) last = stalls.note(lostMs, nowMs);
    expect(last).toBe(sum);
  });
});
