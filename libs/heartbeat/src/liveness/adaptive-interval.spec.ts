import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { DWELL_MS, nextInterval } from './adaptive-interval.js';

const BOUNDS = { minIntervalMs: 15_000, maxIntervalMs: 45_000 };

describe('nextInterval', () => {
  it.each([
    ['grows under load', 20_000, 0.71, 25_000],
    ['grows under full load', 20_000, 1, 25_000],
    ['stays at 0.7', 20_000, 0.7, 20_000],
    ['stays between', 20_000, 0.5, 20_000],
    ['stays at 0.3', 20_000, 0.3, 20_000],
    ['shrinks in the quiet', 20_000, 0.29, 18_000],
    ['shrinks when idle', 20_000, 0, 18_000],
    ['grows to its upper bound and not above', 40_000, 1, 45_000],
    ['stays at its upper bound', 45_000, 1, 45_000],
    ['shrinks to its lower bound and not below', 16_000, 0, 15_000],
    ['stays at its lower bound', 15_000, 0, 15_000],
    ['is whole', 15_001, 1, 18_751],
  ])('%s: from %i at %d to %i', (_what, intervalMs, load, next) => {
    expect(nextInterval(intervalMs, load, DWELL_MS, BOUNDS)).toBe(next);
  });

  it.each([0, 0.5, 1])('stays for the dwell at any load: %d', load => {
    expect(nextInterval(20_000, load, 0, BOUNDS)).toBe(20_000);
    expect(nextInterval(20_000, load, DWELL_MS - 1, BOUNDS)).toBe(20_000);
  });

  it('is constant where the bounds are equal', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }), (fixed, load) => {
        expect(nextInterval(fixed, load, DWELL_MS, { minIntervalMs: fixed, maxIntervalMs: fixed })).toBe(fixed);
      }),
    );
  });

  it('is always an integer within its bounds', () => {
    const anyBounds = fc
      .tuple(fc.integer({ min: 200, max: 100_000 }), fc.integer({ min: 200, max: 100_000 }))
      .map(([one, other]) => ({ minIntervalMs: Math.min(one, other), maxIntervalMs: Math.max(one, other) }));
    fc.assert(
      fc.property(
        anyBounds,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (bounds, share, load) => {
          const start = Math.round(bounds.minIntervalMs + share * (bounds.maxIntervalMs - bounds.minIntervalMs));
          const next = nextInterval(start, load, DWELL_MS, bounds);
          expect([next >= bounds.minIntervalMs, next <= bounds.maxIntervalMs, Number.isInteger(next)]).toEqual([
            true,
            true,
            true,
          ]);
          const [fell, rose] = [next < start, next > start];
          expect([load > 0.7 && fell, load < 0.3 && rose]).toEqual([false, false]);
        },
      ),
    );
  });
});

/** The changes of the interval during an hour of ticks, each with its time. */
function simulate(loadAt: (ms: number) => number, bounds = BOUNDS, start = 25_000) {
  const changes: { at: number; intervalMs: number }[] = [];
  let intervalMs = start;
  let steppedAt = 0;
  for (let now = 0; now <= 3_600_000; now += 100) {
    const next = nextInterval(intervalMs, loadAt(now), now - steppedAt, bounds);
    if (next === intervalMs) continue;
    intervalMs = next;
    steppedAt = now;
    changes.push({ at: now, intervalMs });
  }
  return { changes, intervalMs };
}

describe('nextInterval over an hour', () => {
  let seed = 1;
  /** A small generator, so that the noise is the same in each run. */
  const noise = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;

  it.each<[string, (ms: number) => number]>([
    ['of a slow sine', ms => 0.5 + 0.5 * Math.sin(ms / 60_000)],
    ['of a fast sine', ms => 0.5 + 0.5 * Math.sin(ms / 700)],
    ['of a square wave with the dwell’s own period', ms => Number(ms % 20_000 < 10_000)],
    ['of a fast square wave', ms => Number(ms % 200 < 100)],
    ['of noise', noise],
  ])('%s stays within the bounds and takes no two steps within the dwell', (_what, loadAt) => {
    const { changes } = simulate(loadAt);
    expect(changes.length).toBeGreaterThan(0);
    for (const { intervalMs } of changes) {
      expect(intervalMs).toBeGreaterThanOrEqual(BOUNDS.minIntervalMs);
      expect(intervalMs).toBeLessThanOrEqual(BOUNDS.maxIntervalMs);
    }
    const gaps = changes.map(({ at }, index) => at - (changes[index - 1]?.at ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(DWELL_MS);
  });

  it('of a load that swings between the marks changes nothing', () => {
    expect(simulate(ms => 0.5 + 0.19 * Math.sin(ms / 1000)).changes).toEqual([]);
  });

  it.each([
    ['of full load rises to the upper bound and stays', 1, 45_000],
    ['of no load falls to the lower bound and stays', 0, 15_000],
  ])('%s', (_what, load, end) => {
    const { changes, intervalMs } = simulate(() => load);
    expect(intervalMs).toBe(end);
    expect(changes.length).toBeLessThan(10);
    const sorted = changes
      .map(each => each.intervalMs)
      .toSorted((one, other) => (load === 1 ? one - other : other - one));
    expect(changes.map(each => each.intervalMs)).toEqual(sorted);
  });

  it('of a load that follows from the interval converges', () => {
    // Pings cost CPU: the shorter the interval, the higher the load.
    let intervalMs = 15_000;
    const seen: number[] = [];
    for (let step = 0; step < 100; step++) {
      intervalMs = nextInterval(intervalMs, Math.min(1, 15_000 / intervalMs), DWELL_MS, BOUNDS);
      seen.push(intervalMs);
    }
    expect(new Set(seen.slice(10)).size).toBe(1);
  });
});
