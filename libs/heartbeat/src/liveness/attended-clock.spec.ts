import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { AttendedClock } from './attended-clock.js';

const START = 5000;
const MAX_STEP = 100;

describe('AttendedClock', () => {
  it.each([
    ['ticks in time count whole', [50, 100, 150], [50, 100, 150]],
    ['a tick at the most that counts, whole', [100], [100]],
    ['a late tick, the most that counts', [101], [100]],
    ['a stall of a minute, the most that counts', [50, 60_050, 60_100], [50, 150, 200]],
    ['each of many late ticks, the most that counts', [150, 300, 450], [100, 200, 300]],
    ['two ticks at once, once', [50, 50], [50, 50]],
    ['a jump back, nothing', [50, -4000, -3950], [50, 50, 100]],
    ['a jump back and forth, no more than a step', [50, -4000, 60], [50, 50, 150]],
    ['fractions of a millisecond', [0.25, 0.75], [0.25, 0.75]],
  ])('counts %s', (_what, ticks, attended) => {
    const clock = new AttendedClock(START, MAX_STEP);
    expect(ticks.map(tick => clock.advance(START + tick))).toEqual(attended);
  });

  it('never decreases, never adds more than a step, and never runs faster than time', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -100_000, max: 100_000 })), jumps => {
        const clock = new AttendedClock(START, MAX_STEP);
        let now = START;
        let before = 0;
        for (const jump of jumps) {
          now += jump;
          const attended = clock.advance(now);
          expect(attended - before).toBe(Math.min(Math.max(jump, 0), MAX_STEP));
          before = attended;
        }
      }),
    );
  });
});
