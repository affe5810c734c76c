import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { RateLimiter } from './rate-limiter.js';

/** The number of `count` calls at one moment that pass. */
function taken(limiter: RateLimiter, key: string, now: number, count: number): number {
  let passed = 0;
  for (let turn = 0; turn < count; turn++) if (limiter.take(key, now) === 0) passed++;
  return passed;
}

describe('RateLimiter', () => {
  it('passes a burst of one second’s worth, and no more', () => {
    const limiter = new RateLimiter(() => 5, 10);
    expect(taken(limiter, 'a', 1000, 20)).toBe(5);
  });

  it.each([
    [0, 0],
    [199, 0],
    [200, 1],
    [500, 2],
    [1000, 5],
    [3_600_000, 5],
  ])('after a burst and %i ms passes %i', (pauseMs, count) => {
    const limiter = new RateLimiter(() => 5, 10);
    taken(limiter, 'a', 1000, 20);
    expect(taken(limiter, 'a', 1000 + pauseMs, 20)).toBe(count);
  });

  it('counts each key separately', () => {
    const limiter = new RateLimiter(() => 2, 10);
    expect([taken(limiter, 'a', 0, 3), taken(limiter, 'b', 0, 3), taken(limiter, 'a', 0, 3)]).toEqual([2, 2, 0]);
  });

  it('returns the time to wait', () => {
    const limiter = new RateLimiter(() => 4, 10);
    taken(limiter, 'a', 0, 4);
    for (const [now, waitMs] of [[0, 250] as const, [100, 150] as const, [200, 50] as const]) {
      expect(limiter.take('a', now)).toBeCloseTo(waitMs);
    }
    expect(limiter.take('a', 250)).toBe(0);
  });

  it('uses nothing for a refusal', () => {
    const limiter = new RateLimiter(() => 1, 10);
    limiter.take('a', 0);
    taken(limiter, 'a', 500, 1000);
    expect(limiter.take('a', 1000)).toBe(0);
  });

  it('is unchanged after a token was given back', () => {
    const limiter = new RateLimiter(() => 2, 10);
    for (let turn = 0; turn < 10; turn++) {
      expect(limiter.take('a', turn)).toBe(0);
      limiter.giveBack('a');
    }
    expect(taken(limiter, 'a', 10, 3)).toBe(2);
    limiter.giveBack('b');
    expect([taken(limiter, 'b', 10, 3), limiter.size]).toEqual([2, 2]);
  });

  it('has no limit at 0, and stores no key then', () => {
    const limiter = new RateLimiter(() => 0, 10);
    expect([taken(limiter, 'a', 0, 1000), limiter.size]).toEqual([1000, 0]);
  });

  it('forgets the key that was silent longest', () => {
    const limiter = new RateLimiter(() => 1, 2);
    limiter.take('a', 0);
    limiter.take('b', 0);
    // Refused, so it was not silent.
    limiter.take('a', 1);
    limiter.take('c', 2);
    expect(limiter.size).toBe(2);
    expect(limiter.take('a', 3)).toBeGreaterThan(0);
    expect(limiter.take('c', 3)).toBeGreaterThan(0);
    // Forgotten, so it is new.
    expect(limiter.take('b', 4)).toBe(0);
  });

  it('never stores more keys than its maximum', () => {
    const limiter = new RateLimiter(() => 1, 3);
    fc.assert(
      fc.property(fc.string(), key => {
        limiter.take(key, 0);
        expect(limiter.size).toBeLessThanOrEqual(3);
      }),
    );
  });

  it('passes no more than its rate and one burst in the long run, and no less for a client that tries all the time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.double({ min: 0, max: 3000, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (perSecond, pauses) => {
          const limiter = new RateLimiter(() => perSecond, 1);
          let now = 0;
          let passed = 0;
          for (const pause of pauses) {
            now += pause;
            passed += taken(limiter, '', now, 2 * perSecond);
          }
          const allowed = perSecond + (now * perSecond) / 1000;
          const lost = pauses.reduce((sum, pause) => sum + Math.max(0, ((pause - 1000) * perSecond) / 1000), 0);
          expect(passed).toBeLessThanOrEqual(allowed + 1e-6);
          // A full bucket loses further tokens, and less than one token always stays in it.
          expect(passed).toBeGreaterThan(allowed - lost - 1 - (pauses[0]! * perSecond) / 1000 - 1e-6);
        },
      ),
    );
  });

  it.each<[string, number, number, number, number]>([
    ['a higher rate', 2, 10, 500, 1],
    ['a higher rate after a long pause', 2, 10, 60_000, 2],
    ['a lower rate', 10, 2, 1000, 2],
    ['a limit where there was none', 0, 3, 500, 3],
    ['no limit', 3, 0, 500, 1000],
  ])('counts the time before %s at the rate that was in force', (_what, before, after, pauseMs, count) => {
    let perSecond = before;
    const limiter = new RateLimiter(() => perSecond, 10);
    taken(limiter, 'a', 0, 1000);
    perSecond = after;
    limiter.rateChanged(before, pauseMs);
    expect(taken(limiter, 'a', pauseMs, 1000)).toBe(count);
  });

  it('forgets all keys while it has no limit', () => {
    let perSecond = 5;
    const limiter = new RateLimiter(() => perSecond, 10);
    for (const key of ['a', 'b', 'b']) limiter.take(key, 0);
    perSecond = 0;
    limiter.rateChanged(5, 0);
    expect(limiter.size).toBe(0);
    perSecond = 1;
    limiter.rateChanged(0, 1);
    expect([limiter.take('b', 1), limiter.take('b', 1), limiter.size]).toEqual([0, 1000, 1]);
  });

  it('passes no more than the rates of the time allow, whenever they change, and no burst above the rate in force', () => {
    const step = fc.record({
      pauseMs: fc.double({ min: 0, max: 1500, noNaN: true }),
      perSecond: fc.option(fc.integer({ min: 1, max: 50 })),
      tries: fc.integer({ min: 0, max: 100 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(step, { maxLength: 30 }), (first, steps) => {
        let [perSecond, now] = [first, 0];
        const limiter = new RateLimiter(() => perSecond, 1);
        // The key is known from now on; an unknown one has a full bucket.
        limiter.take('', now);
        let tokens = first - 1;
        for (const { pauseMs, perSecond: next, tries } of steps) {
          now += pauseMs;
          tokens = Math.min(perSecond, tokens + (pauseMs * perSecond) / 1000);
          if (next !== null) {
            const before = perSecond;
            perSecond = next;
            limiter.rateChanged(before, now);
            tokens = Math.min(tokens, perSecond);
          }
          const passed = taken(limiter, '', now, tries);
          expect(passed).toBeLessThanOrEqual(Math.floor(tokens + 1e-6));
          expect(passed).toBeGreaterThanOrEqual(Math.min(tries, Math.floor(tokens - 1e-6)));
          expect(passed).toBeLessThanOrEqual(perSecond);
          tokens -= passed;
        }
      }),
    );
  });

  it('passes a client that waited as advised, and refuses one that waited less', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (perSecond, start, share) => {
          const limiter = new RateLimiter(() => perSecond, 1);
          taken(limiter, '', start, perSecond);
          const waitMs = limiter.take('', start);
          expect(waitMs).toBeGreaterThan(0);
          expect(waitMs).toBeLessThanOrEqual(1000 / perSecond);
          expect(limiter.take('', start + share * waitMs)).toBeGreaterThan(0);
          // A microsecond for the rounding of fractions.
          expect(limiter.take('', start + waitMs + 0.001)).toBe(0);
        },
      ),
    );
  });
});
