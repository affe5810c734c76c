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

/** Any options that could be configured, small enough to be walked through. */
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
    ['just heard', 'wait', {}, 1000, {}],
    ['silent for less than the interval', 'wait', {}, 25_999, {}],
    ['silent for the interval', 'ping', {}, 26_000, {}],
    ['silent for longer', 'ping', {}, 99_000, {}],
    ['pinged, and not overdue', 'wait', { pingedAt: 26_000 }, 35_999, {}],
    ['pinged, and overdue', 'missed', { pingedAt: 26_000 }, 36_000, {}],
    ['pinged again, and not overdue', 'wait', { pingedAt: 36_000, missed: 1 }, 45_999, {}],
    ['pinged again, and overdue', 'dead', { pingedAt: 36_000, missed: 1 }, 46_000, {}],
    ['overdue where one ping is enough', 'dead', { pingedAt: 26_000 }, 36_000, { missedPongs: 1 }],
    ['overdue with one ping to go of three', 'missed', { pingedAt: 36_000, missed: 1 }, 46_000, { missedPongs: 3 }],
    ['pinged at the very first moment', 'wait', { pingedAt: 0 }, 9999, {}],
  ])('says of one %s: %s', (_what, verdict, given, now, changed) => {
    expect(judge(timing(given), now, { ...rules, ...changed })).toBe(verdict);
  });
});

describe('nextLook', () => {
  it.each<[string, Partial<Timing>, number]>([
    ['when a ping is due', { silentSince: 1000 }, 26_000],
    ['when the answer is overdue, while a ping is unanswered', { pingedAt: 26_000 }, 36_000],
    ['when the answer to the last ping is overdue', { pingedAt: 36_000, missed: 1 }, 46_000],
  ])('is %s', (_what, given, due) => {
    expect(nextCheck(timing(given), rules)).toBe(due);
  });
});

/** Walks from look to look with a peer that is silent since `quietSince`; answers when it was pinged, and when found dead. */
function walk(given: Rules, silentSince: number): { pings: number[]; deadAt: number; looks: number } {
  const pings: number[] = [];
  let state: Timing = { silentSince: silentSince, pingedAt: NEVER, missed: 0 };
  let now = silentSince;
  for (let looks = 1; ; looks++) {
    // Like the wheel: whole milliseconds, and the next look is a later one.
    now = Math.max(now + 1, Math.ceil(nextCheck(state, given)));
    const verdict = judge(state, now, given);
    if (verdict === 'dead') return { pings, deadAt: now, looks };
    if (verdict === 'wait') continue;
    pings.push(now);
    state = { ...state, pingedAt: now, missed: state.missed + Number(verdict === 'missed') };
  }
}

describe('judge and nextLook together', () => {
  it('ping a silent peer after the interval, again after each timeout, and find it dead at the promised time', () => {
    fc.assert(
      fc.property(anyRules, anyMoment, (given, silentSince) => {
        const { intervalMs, pongTimeoutMs, missedPongs } = given;
        const { pings, deadAt, looks } = walk(given, silentSince);
        const [first = 0] = pings;
        const lateMs = first - (silentSince + intervalMs);
        expect(lateMs).toBeGreaterThanOrEqual(0);
        expect(lateMs).toBeLessThan(Math.min(200, intervalMs / 20 + 1));
        expect(pings).toEqual(Array.from({ length: missedPongs }, (_, index) => first + index * pongTimeoutMs));
        expect(deadAt).toBe(first + missedPongs * pongTimeoutMs);
        expect(looks).toBe(1 + missedPongs);
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

  it('is now, for every phase, when it is the moment', () => {
    const phases = Array.from({ length: 1000 }, (_, phase) => phase);
    for (const turn of [0, 1, 7, 1000]) {
      const wrong = phases.filter(phase => {
        const now = turn * 25_000 + phase * 25;
        return pingMomentBefore(phase, now, 25_000) !== now;
      });
      expect({ turn, wrong: wrong.length }).toEqual({ turn, wrong: 0 });
    }
  });

  it('is less than an interval ago, and always at the same place of the interval', () => {
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
