import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { GridShift, SecondGrid } from './second-grid.js';

/** Epoch milliseconds of the clock's zero. */
const BOOT = 1_700_000_000_000;

/** The places of samples at monotonic times; the wall clock is ahead by as much as `wallGainMs` states from each on. */
function places(times: readonly number[], wallGainMs: readonly number[] = []) {
  const grid = new SecondGrid(10_000, BOOT + 10_000);
  return times.map((now, index) => grid.next(now, BOOT + now + (wallGainMs[index] ?? 0)));
}

const seconds = (...given: Parameters<typeof places>) => places(...given).map(({ second }) => second);

describe('SecondGrid', () => {
  it('gives each sample of a second its own second', () => {
    expect(seconds([11_001, 12_002, 13_002])).toEqual([11, 12, 13]);
  });

  it('counts a sample double where the timer has skipped a second, and has no gap', () => {
    expect(places([11_999, 13_000])).toEqual([
      { second: 11, isDouble: false },
      { second: 13, isDouble: true },
    ]);
  });

  it('leaves the seconds of a stall out', () => {
    expect(places([11_000, 14_600])).toEqual([
      { second: 11, isDouble: false },
      { second: 14, isDouble: false },
    ]);
    // As long as two seconds: more than a late timer.
    expect(places([11_000, 13_000])[1]).toEqual({ second: 13, isDouble: false });
  });

  it('leaves the seconds out in which the machine was suspended, and the monotonic clock stood still', () => {
    expect(seconds([11_000, 12_000, 13_000], [0, 3_600_000, 3_600_000])).toEqual([11, 3612, 3613]);
  });

  it('is not moved by a small or a backward step of the wall clock', () => {
    expect(seconds([11_000, 12_000, 13_000, 14_000], [0, 900, -7_200_000, -7_200_000])).toEqual([11, 12, 13, 14]);
  });

  it('never goes back, and has no gap at the pace of a timer, for any start', () => {
    const steps = fc.array(fc.double({ min: 999, max: 1040, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(fc.double({ min: 10_000, max: 11_000, noNaN: true }), steps, (start, all) => {
        let now = start;
        const found = places(all.map(step => (now += step)));
        const gaps = found.filter(({ second, isDouble }, index) => {
          const before = found[index - 1]?.second ?? second;
          return second - before < 0 || second - before > (isDouble ? 2 : 1);
        });
        expect(gaps).toEqual([]);
      }),
    );
  });
});

describe('GridShift', () => {
  it('is the difference in whole seconds, and stays as it is through the noise of a clock', () => {
    const shift = new GridShift();
    expect(shift.of(1000, 6499)).toBe(5);
    expect(shift.of(2000, 7501)).toBe(5);
    expect(shift.of(3000, 8499)).toBe(5);
    expect(shift.of(4000, 9760)).toBe(6);
    expect(shift.of(5000, 1000)).toBe(-4);
  });
});
