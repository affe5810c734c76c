import { describe, expect, it } from '@jest/globals';

import { RedisClock } from './redis-clock.js';

/** The offset of the store's clock. */
const AHEAD = 1_000_000;

describe('RedisClock', () => {
  /** Sends a request at `at`. The store reads its clock after `to` milliseconds, and its reply arrives `back` milliseconds later. */
  const ask = (clock: RedisClock, at: number, { to = 0, back = 0, ahead = AHEAD } = {}): number => {
    clock.note(at, at + to + back, at + to + ahead);
    return clock.timeOf(0);
  };

  it('returns the initial time until the first reply, and the store’s time afterwards', () => {
    const clock = new RedisClock(5);
    expect(clock.timeOf(10)).toBe(15);
    ask(clock, 0, { to: 400, back: 400 });
    expect(clock.timeOf(10)).toBe(AHEAD + 10);
  });

  it('places the store’s time in the middle of the round trip', () => {
    expect(ask(new RedisClock(0), 0, { to: 0, back: 100 })).toBe(AHEAD - 50);
    expect(ask(new RedisClock(0), 0, { to: 100, back: 0 })).toBe(AHEAD + 50);
  });

  it('ignores a slow reply after a fast one', () => {
    const clock = new RedisClock(0);
    ask(clock, 0);
    for (let at = 1000; at < 60_000; at += 1000) expect(ask(clock, at, { back: 300, ahead: AHEAD - 0.9 })).toBe(AHEAD);
  });

  it('accepts a faster reply at once', () => {
    const clock = new RedisClock(0);
    expect(ask(clock, 0, { to: 300 })).toBe(AHEAD + 150);
    expect(ask(clock, 1000, { to: 2 })).toBe(AHEAD + 1);
  });

  it('follows a clock that drifts, also with slow replies', () => {
    const clock = new RedisClock(0);
    ask(clock, 0);
    for (let at = 1000; at <= 3_600_000; at += 1000) {
      const ahead = AHEAD + at / 10_000;
      expect(Math.abs(ask(clock, at, { to: 10, back: 10, ahead }) - ahead)).toBeLessThanOrEqual(10);
    }
  });

  it.each([
    ['set forward', AHEAD + 5000],
    ['set back', AHEAD - 5000],
  ])('follows a clock that is %s at once, also with a slow reply', (_what, ahead) => {
    const clock = new RedisClock(0);
    ask(clock, 0);
    expect(ask(clock, 1000, { to: 300, back: 300, ahead })).toBe(ahead);
    // The earlier fast reply is no longer valid.
    expect(ask(clock, 2000, { to: 5, ahead })).toBe(ahead + 2.5);
  });
});
