import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { NEVER } from '../connection/pulse.js';
import { judge, nextCheck, pingMomentBefore, type Rules, type Timing } from './verdict.js';

const rules: Rules = { intervalMs: 25_000, pongTimeoutMs: 10_000, missedPongs: 2 };
const timing = (given: Partial<Timing>): Timing => ({
  silentSince: 1000,
  pingedAt: NEVER,
  missed: 0,
  ...given,
});

/** Any valid options, small enough for a simulation. */
const anyRules: fc.Arbitrary<Rules> = fc
  .record({
    intervalMs: fc.integer({ min: 200, max: 60_000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    missedPongs: fc.integer({ min: 1, max: 10 }),
  })
  .map(({ intervalMs, share, missedPongs }) => ({
    intervalMs,
    pongTimeoutMs: 50 + Math.floor(share * (intervalMs - 51)),
    missedPongs,
  }));
const anyPhase = fc.integer({ min: 0, max: 999 });
const anyMoment = fc.integer({ min: 0, max: 10_000_000 });

describe('judge', () => {
  it.each<[string, string, Partial<Timing>, number, Partial<Rules>]>([
    ['that was just active', 'wait', {}, 1000, {}],
    ['that is silent for less than the interval', 'wait', {}, 25_999, {}],
    ['that is silent for the interval', 'ping', {}, 26_000, {}],
    ['that is silent for longer', 'ping', {}, 99_000, {}],
    ['that was pinged, and not overdue', 'wait', { pingedAt: 26_000 }, 35_999, {}],
    ['that was pinged, and overdue', 'missed', { pingedAt: 26_000 }, 36_000, {}],
    ['that was pinged again, and not overdue', 'wait', { pingedAt: 36_000, missed: 1 }, 45_999, {}],
    ['that was pinged again, and overdue', 'dead', { pingedAt: 36_000, missed: 1 }, 46_000, {}],
    ['that is overdue where one ping is enough', 'dead', { pingedAt: 26_000 }, 36_000, { missedPongs: 1 }],
    [
      'that is overdue with one ping to go of three',
      'missed',
      { pingedAt: 36_000, missed: 1 },
      46_000,
      { missedPongs: 3 },
    ],
    ['that was pinged at the very first moment', 'wait', { pingedAt: 0 }, 9999, {}],
  ])('judges a connection %s: %s', (_what, verdict, given, now, changed) => {
    expect(judge(timing(given), now, { ...rules, ...changed })).toBe(verdict);
  });
});

describe('nextCheck', () => {
  it.each<[string, Partial<Timing>, number]>([
    ['when a ping is due', { silentSince: 1000 }, 26_000],
    ['when the answer is overdue, while a ping is unanswered', { pingedAt: 26_000 }, 36_000],
    ['when the answer to the last ping is overdue', { pingedAt: 36_000, missed: 1 }, 46_000],
  ])('is %s', (_what, given, due) => {
    expect(nextCheck(timing(given), rules)).toBe(due);
  });
});

/** Simulates checks of a peer that is silent since `silentSince`. Returns when it was pinged, and when found dead. */
function walk(given: Rules, silentSince: number): { pings: number[]; deadAt: number; checks: number } {
  const pings: number[] = [];
  let state: Timing = { silentSince, pingedAt: NEVER, missed: 0 };
  let now = silentSince;
  for (let checks = 1; ; checks++) {
    // As in the wheel, checks are at whole milliseconds, each later than the last.
    now = Math.max(now + 1, Math.ceil(nextCheck(state, given)));
    const verdict = judge(state, now, given);
    if (verdict === 'dead') return { pings, deadAt: now, checks };
    if (verdict === 'wait') continue;
    pings.push(now);
    state = { ...state, pingedAt: now, missed: state.missed + Number(verdict === 'missed') };
  }
}

describe('judge and nextCheck together', () => {
  it('ping a silent peer after the interval, again after each timeout, and find it dead at the promised time', () => {
    fc.assert(
      fc.property(anyRules, anyMoment, (given, silentSince) => {
        const { intervalMs, pongTimeoutMs, missedPongs } = given;
        const { pings, deadAt, checks } = walk(given, silentSince);
        const [first = 0] = pings;
        const lateMs = first - (silentSince + intervalMs);
        expect(lateMs).toBeGreaterThanOrEqual(0);
        expect(lateMs).toBeLessThan(Math.min(200, intervalMs / 20 + 1));
        expect(pings).toEqual(Array.from({ length: missedPongs }, (_, index) => first + index * pongTimeoutMs));
        expect(deadAt).toBe(first + missedPongs * pongTimeoutMs);
        expect(checks).toBe(1 + missedPongs);
      }),
    );
  });
});

describe('pingMomentBefore', () => {
  it.each([
    [0, 0, 0],
    [0, 24_999, 0],
    [0, 25_000, 25_000],
    [500, 12_500, 12_500],
    [500, 12_499, -12_500],
    [999, 30_000, 24_975],
    [250, 100_000, 81_250],
  ])('of the phase %d at %d is %d', (phase, time, moment) => {
    expect(pingMomentBefore(phase, time, 25_000)).toBe(moment);
  });

  it('is the current time at a ping moment, for every phase', () => {
    const phases = Array.from({ length: 1000 }, (_, phase) => phase);
    for (const turn of [0, 1, 7, 1000]) {
      const wrong = phases.filter(phase => {
        const now = turn * 25_000 + phase * 25;
        return pingMomentBefore(phase, now, 25_000) !== now;
      });
      expect({ turn, wrong: wrong.length }).toEqual({ turn, wrong: 0 });
    }
  });

  it('is less than an interval ago, and always at the same position of the interval', () => {
    fc.assert(
      fc.property(
        anyPhase,
        anyMoment,
        fc.integer({ min: 1, max: 50 }).map(n => n * 1000),
        (phase, time, interval) => {
          const moment = pingMomentBefore(phase, time, interval);
          expect(time - moment).toBeGreaterThanOrEqual(0);
          expect(time - moment).toBeLessThan(interval);
          expect((((moment / interval) % 1) + 1) % 1).toBeCloseTo(phase / 1000, 6);
        },
      ),
    );
  });
});
