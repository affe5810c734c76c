import { describe, expect, it } from '@jest/globals';

import { REFUSAL_REASONS } from '../heartbeat.events.js';
import { closeCodeOf, type Refusal, refusals } from './refusal.js';

/** Contract, section 2: each refusal with its status, the end of its type, its Retry-After and its close code. */
const TABLE: [Refusal, number, string, number | undefined, number | null][] = [
  [refusals.badUpgrade('a fault'), 400, 'bad-upgrade', undefined, null],
  [refusals.unauthenticated('who?'), 401, 'unauthenticated', undefined, 4503],
  [refusals.originRefused('"https://evil.com"'), 403, 'origin-refused', undefined, 4503],
  [refusals.banned('spam'), 403, 'banned', undefined, 4501],
  [refusals.noSuchPath('/nowhere'), 404, 'no-such-path', undefined, null],
  [refusals.ipLimit(7), 429, 'ip-limit', 5, 1013],
  [refusals.userLimit(7), 429, 'user-limit', 5, 1013],
  [refusals.upgradeRate(1500), 429, 'upgrade-rate', 2, 1013],
  [refusals.atCapacity(7), 503, 'at-capacity', 5, 1013],
  [refusals.draining(3000), 503, 'draining', 3, 1001],
  [refusals.overloaded(), 503, 'overloaded', 5, 1013],
  [refusals.authenticationTimeout(7), 503, 'authentication-timeout', 5, 1013],
  [refusals.starting(), 503, 'starting', 1, 1013],
];

describe('refusals', () => {
  it.each(TABLE)('are as the contract says: %j', (refusal, status, reason, retryAfter, closeCode) => {
    expect(refusal).toMatchObject({ status, reason });
    expect(refusal.retryAfterSeconds).toBe(retryAfter);
    expect(closeCodeOf(refusal)).toBe(closeCode);
  });

  it('are all in the table above, and no reason has two', () => {
    expect(TABLE.map(([, , reason]) => reason).toSorted()).toEqual([...REFUSAL_REASONS].toSorted());
    expect(Object.keys(refusals)).toHaveLength(REFUSAL_REASONS.length);
  });

  it('advise a delay with every 429 and 503, and with nothing else', () => {
    for (const [{ status, retryAfterSeconds }] of TABLE) {
      expect(retryAfterSeconds !== undefined).toBe(status === 429 || status === 503);
    }
  });

  it('close with a code that forbids to come back only who must not', () => {
    const final = TABLE.filter(([, , , , code]) => (code ?? 0) >= 4500).map(([, , reason]) => reason);
    expect(final).toEqual(['unauthenticated', 'origin-refused', 'banned']);
  });

  it.each([
    [0, 1],
    [0.2, 1],
    [1000, 1],
    [1001, 2],
    [59_999.5, 60],
  ])('advise whole seconds, never too few and at least one: %d ms are %i s', (ms, seconds) => {
    expect([refusals.upgradeRate(ms).retryAfterSeconds, refusals.draining(ms).retryAfterSeconds]).toEqual([
      seconds,
      seconds,
    ]);
  });

  it('say what to do', () => {
    expect(refusals.badUpgrade('the method is not GET').detail).toContain('the method is not GET');
    expect(refusals.noSuchPath('/nowhere').detail).toContain('/nowhere');
    expect(refusals.banned('spam').detail).toBe('spam');
    expect(refusals.ipLimit(7).detail).toContain('7 connections');
    expect(refusals.originRefused('"https://evil.com"').detail).toContain('"https://evil.com"');
  });

  it('name the versions that are spoken (RFC 6455, section 4.4) and how to authenticate (RFC 9110, section 11.6.1)', () => {
    expect(refusals.badUpgrade('').headers).toEqual({ 'Sec-WebSocket-Version': '13, 8' });
    expect(refusals.unauthenticated('').headers).toEqual({ 'WWW-Authenticate': 'Bearer' });
  });
});
