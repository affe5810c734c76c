import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import type { LoadLevel } from '../node/load-state.js';
import { loadBySource, median, nextLevel, type Reading } from './load-ratio.js';

const IDLE: Reading = { loopDelayMs: 0, loopUtilisation: 0, cpu: 0, heap: 0, memory: 0 };
const ALL = { eventLoop: true, heap: true, memory: true, cpu: true };
const MARKS = { refuseAbove: 0.9, shedAbove: 0.97 };
const RANK: LoadLevel[] = ['well', 'busy', 'refusing', 'shedding'];

const loads = (reading: Partial<Reading>, sources = {}) =>
  Object.fromEntries(loadBySource({ ...IDLE, ...reading }, { ...ALL, ...sources }));

describe('loadBySource', () => {
  it.each<[Partial<Reading>, string, number]>([
    [{ loopDelayMs: 0 }, 'event-loop', 0],
    [{ loopDelayMs: 250 }, 'event-loop', 0.5],
    [{ loopDelayMs: 500 }, 'event-loop', 1],
    [{ loopDelayMs: 60_000 }, 'event-loop', 1],
    [{ heap: 0.42 }, 'heap', 0.42],
    [{ heap: 1.2 }, 'heap', 1],
    [{ memory: 0.42 }, 'memory', 0.42],
    [{ memory: -0.1 }, 'memory', 0],
    [{ cpu: 0.5, loopUtilisation: 0.25 }, 'cpu', 0.4],
    [{ cpu: 0.25, loopUtilisation: 0.5 }, 'cpu', 0.4],
    // A process with work only may slow its heartbeat down (above 0.7), and never refuses (above 0.9).
    [{ cpu: 1, loopUtilisation: 1 }, 'cpu', 0.8],
  ])('reads %j as %s %d, and nothing else', (reading, source, ratio) => {
    const nothing = { 'event-loop': 0, heap: 0, memory: 0, cpu: 0 };
    expect(loads(reading)).toEqual({ ...nothing, [source]: expect.closeTo(ratio) });
  });

  it.each([
    ['eventLoop', 'event-loop'],
    ['heap', 'heap'],
    ['memory', 'memory'],
    ['cpu', 'cpu'],
  ])('leaves out a source that is switched off: %s', (name, source) => {
    const all = { loopDelayMs: 500, loopUtilisation: 1, cpu: 1, heap: 1, memory: 1 };
    expect(Object.keys(loads(all, { [name]: false }))).toEqual(
      ['event-loop', 'heap', 'memory', 'cpu'].filter(each => each !== source),
    );
  });
});

describe('median', () => {
  it.each([
    [[], 0],
    [[3], 3],
    [[1, 9, 2], 2],
    [[0, 0, 1, 0, 0], 0],
    [[0, 1, 1, 0, 1], 1],
    [[10, 9, 8], 9],
  ])('of %j is %d', (values, middle) => {
    expect(median(values)).toBe(middle);
  });

  it('leaves the values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('nextLevel', () => {
  it.each<[LoadLevel, number, LoadLevel]>([
    ['well', 0, 'well'],
    ['well', 0.7, 'well'],
    ['well', 0.701, 'busy'],
    ['well', 0.901, 'refusing'],
    ['well', 0.971, 'shedding'],
    ['well', 1, 'shedding'],
    ['busy', 0.7, 'busy'],
    ['busy', 0.601, 'busy'],
    ['busy', 0.6, 'well'],
    ['busy', 0.9, 'busy'],
    ['busy', 0.95, 'refusing'],
    ['busy', 0.98, 'shedding'],
    ['refusing', 0.85, 'refusing'],
    ['refusing', 0.801, 'refusing'],
    ['refusing', 0.8, 'busy'],
    // The level refusing includes busy, and ends at well only below the lower mark of busy.
    ['refusing', 0.65, 'busy'],
    ['refusing', 0.6, 'well'],
    ['refusing', 0.5, 'well'],
    ['refusing', 0.98, 'shedding'],
    ['shedding', 0.95, 'shedding'],
    ['shedding', 0.88, 'shedding'],
    ['shedding', 0.5, 'well'],
    ['shedding', 0, 'well'],
  ])('from %s at %d is %s', (level, ratio, next) => {
    expect(nextLevel(level, ratio, MARKS)).toBe(next);
  });

  it('leaves refusing only well below its mark, also when coming from shedding', () => {
    // 0.86 is not far enough below 0.9, whether the level was refusing or shedding, which also refuses.
    expect([nextLevel('refusing', 0.86, MARKS), nextLevel('shedding', 0.86, MARKS)]).toEqual(['refusing', 'refusing']);
  });

  it('is busy from refuseAbove on where that is under 0.7', () => {
    expect(nextLevel('well', 0.35, { refuseAbove: 0.5, shedAbove: 0.6 })).toBe('well');
    expect(nextLevel('well', 0.51, { refuseAbove: 0.5, shedAbove: 0.6 })).toBe('refusing');
    expect(nextLevel('refusing', 0.41, { refuseAbove: 0.5, shedAbove: 0.6 })).toBe('refusing');
  });

  /** All values that the options allow. */
  const anyMark = fc.double({ min: 0.2, max: 1, noNaN: true });
  const anyMarks = fc
    .tuple(anyMark, anyMark)
    .filter(([one, other]) => one !== other)
    .map(([one, other]) => ({ refuseAbove: Math.min(one, other), shedAbove: Math.max(one, other) }));
  const anyRatio = fc.double({ min: 0, max: 1, noNaN: true });
  const anyLevel = fc.constantFrom(...RANK);

  it('never flaps on noise: within a band of a tenth it only rises', () => {
    fc.assert(
      fc.property(
        anyMarks,
        anyRatio,
        fc.array(fc.double({ min: 0, max: 0.099, noNaN: true })),
        (marks, floor, noise) => {
          let level: LoadLevel = 'well';
          for (const each of noise) {
            const next = nextLevel(level, Math.min(1, floor + each), marks);
            expect(RANK.indexOf(next)).toBeGreaterThanOrEqual(RANK.indexOf(level));
            level = next;
          }
        },
      ),
    );
  });

  it('stays the same while the ratio does', () => {
    fc.assert(
      fc.property(anyMarks, anyRatio, anyLevel, (marks, ratio, level) => {
        const next = nextLevel(level, ratio, marks);
        expect(nextLevel(next, ratio, marks)).toBe(next);
      }),
    );
  });

  it('refuses above refuseAbove and sheds above shedAbove, from any level', () => {
    fc.assert(
      fc.property(anyMarks, anyRatio, anyLevel, (marks, ratio, level) => {
        const next = nextLevel(level, ratio, marks);
        const least = ratio > marks.shedAbove ? 'shedding' : ratio > marks.refuseAbove ? 'refusing' : 'well';
        expect(RANK.indexOf(next)).toBeGreaterThanOrEqual(RANK.indexOf(least));
      }),
    );
  });

  it('is well again from any level without load, for any marks', () => {
    fc.assert(
      fc.property(anyMarks, anyLevel, (marks, level) => {
        expect(nextLevel(level, 0, marks)).toBe('well');
      }),
    );
  });
});
