import { describe, expect, it } from '@jest/globals';

import { NEVER, phaseOf, placeOf, Pulse } from './pulse.js';

describe('phaseOf', () => {
  it('is a whole number of thousandths, and equal for neighbours', () => {
    const phases = Array.from({ length: 320 }, (_, serial) => phaseOf(serial));
    expect(phases.every(phase => Number.isInteger(phase) && phase >= 0 && phase < 1000)).toBe(true);
    expect(new Set(phases).size).toBe(10);
  });

  it.each([1000, 15_000, 100_000])('spreads %d that open together over the whole interval', count => {
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let serial = 1; serial <= count; serial++) tenths[Math.floor(phaseOf(serial) / 100)]!++;
    for (const each of tenths) expect(Math.abs(each - count / 10)).toBeLessThanOrEqual(2 * 32);
  });
});

describe('placeOf', () => {
  it('has no two positions near each other, for any number', () => {
    const places = Array.from({ length: 1000 }, (_, serial) => placeOf(serial)).toSorted((left, right) => left - right);
    const gaps = places.slice(1).map((place, index) => place - places[index]!);
    expect(Math.min(...gaps)).toBeGreaterThan(0.3 / 1000);
    expect(Math.max(...gaps)).toBeLessThan(3 / 1000);
  });
});

describe('Pulse', () => {
  it('starts without a message and a ping', () => {
    const pulse = new Pulse('owner', 500, 10, 400);
    expect(pulse).toMatchObject({
      owner: 'owner',
      phase: 500,
      messageAt: NEVER,
      activeAt: NEVER,
      pingedAt: NEVER,
      openedAt: 10,
      bytesSeen: 400,
      missed: 0,
    });
  });

  it('has no unanswered ping once it is marked alive', () => {
    const pulse = new Pulse('owner', 0, 10, 400);
    pulse.pinged(400, 4000.5);
    pulse.pongMissed();
    pulse.markAlive(300);
    expect(pulse).toMatchObject({ silentSince: 300, pingedAt: NEVER, missed: 0 });
  });

  it('uses the latest known time as the last activity', () => {
    const pulse = new Pulse('owner', 0, 10, 400);
    expect(pulse.lastActivityAt).toBe(NEVER);
    pulse.messageCame(500, 5000);
    for (const at of [700, 600]) pulse.bytesCame(at, 5000.5);
    expect([pulse.messageAt, pulse.bytesAt, pulse.lastActivityAt]).toEqual([500, 700, 700]);
    expect(pulse.lastSeenAt).toBe(5000);
  });
});
