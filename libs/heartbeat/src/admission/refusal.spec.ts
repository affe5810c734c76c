import { describe, expect, it } from '@jest/globals';

import { REFUSAL_REASONS } from '../connection/heartbeat.events.js';
import { DEFAULTS } from '../options/heartbeat.options.js';
import { closeOf, drawDelay, isOfThisNode, type Refusal, refusals } from './refusal.js';

/** Contract, section 2: each refusal with its status, the end of its type, its advised delay and its close code. */
const TABLE: [Refusal, number, string, number | undefined, number | null][] = [
  [refusals.badUpgrade('a fault'), 400, 'bad-upgrade', undefined, null],
  [refusals.unauthenticated('who?'), 401, 'unauthenticated', undefined, 4503],
  [refusals.originRefused('"https://evil.com"'), 403, 'origin-refused', undefined, 4503],
  [refusals.banned('spam'), 403, 'banned', undefined, 4501],
  [refusals.guardRefused(403, 'no'), 403, 'guard-refused', undefined, 4503],
  [refusals.noSuchPath('/nowhere'), 404, 'no-such-path', undefined, null],
  [refusals.ipLimit(7, 4321), 429, 'ip-limit', 4321, 1013],
  [refusals.userLimit(7, 4321), 429, 'user-limit', 4321, 1013],
  [refusals.upgradeRate(1499.13), 429, 'upgrade-rate', 1500, 1013],
  [refusals.atCapacity(7, 4321), 503, 'at-capacity', 4321, 1013],
  [refusals.draining(3000), 503, 'draining', 3000, 1001],
  [refusals.overloaded(4321), 503, 'overloaded', 4321, 1013],
  [refusals.authenticationTimeout(7, 4321), 503, 'authentication-timeout', 4321, 1013],
  [refusals.starting(), 503, 'starting', 1000, 1013],
];

describe('refusals', () => {
  it.each(TABLE)('are as documented: %j', (refusal, status, reason, retryAfter, closeCode) => {
    expect(refusal).toMatchObject({ status, reason });
    expect(refusal.retryAfterMs).toBe(retryAfter);
    expect(closeOf(refusal, DEFAULTS)?.code ?? null).toBe(closeCode);
    const others = { load: { closeCode: 4006 }, drain: { closeCode: 1012 } } as const;
    const otherCode = closeCode === 1013 ? 4006 : closeCode === 1001 ? 1012 : closeCode;
    expect(closeOf(refusal, others)?.code ?? null).toBe(otherCode);
  });

  it('are all in the table above, and have different reasons', () => {
    expect(TABLE.map(([, , reason]) => reason).toSorted()).toEqual([...REFUSAL_REASONS].toSorted());
    expect(Object.keys(refusals)).toHaveLength(REFUSAL_REASONS.length);
  });

  it('advise a delay with every 429 and 503, and with nothing else', () => {
    for (const [{ status, retryAfterMs }] of TABLE) {
      expect(retryAfterMs !== undefined).toBe(status === 429 || status === 503);
    }
  });

  it('close with a code that forbids to reconnect only clients that must not', () => {
    const final = TABLE.filter(([, , , , code]) => (code ?? 0) >= 4500).map(([, , reason]) => reason);
    expect(final).toEqual(['unauthenticated', 'origin-refused', 'banned', 'guard-refused']);
  });

  it.each([
    ['no delay', refusals.unauthenticated('send a token'), 'unauthenticated'],
    ['a delay', refusals.atCapacity(7, 4321), 'at-capacity; retry-after=4321'],
    ['the text of an operator', refusals.banned('spam, call us'), 'spam, call us'],
    ['a ban without a text', refusals.banned(''), 'banned'],
    ['a text that is too long', refusals.banned('é'.repeat(100)), 'é'.repeat(61)],
  ])('close with their name and the delay, a ban with its reason: %s', (_what, refusal, reason) => {
    expect(closeOf(refusal, DEFAULTS)?.reason).toBe(reason);
  });

  it.each([
    [302, 4503],
    [401, 4503],
    [404, 4503],
    [408, 1013],
    [425, 1013],
    [429, 1013],
    [500, 1013],
    [503, 1013],
  ])('of a guard with %d close with %d', (status, code) => {
    expect(closeOf(refusals.guardRefused(status, 'no'), DEFAULTS)?.code).toBe(code);
  });

  it('report whether another node could serve the client', () => {
    const movable = TABLE.filter(([refusal]) => isOfThisNode(refusal)).map(([, , reason]) => reason);
    expect(movable).toEqual(['at-capacity', 'draining', 'overloaded', 'starting']);
  });

  it.each([
    ['the minimum', 0, 0, 2000],
    ['the maximum', 0, 1, 8000],
    ['the maximum of a window that is not longer', 8000, 1, 8000],
    ['the minimum of a longer window', 60_000, 0, 2000],
    ['the maximum of a longer window', 60_000, 1, 60_000],
    ['the middle of the default window', 10_000, 0.5, 6000],
  ])('advise a random delay: %s', (_what, windowMs, drawn, delayMs) => {
    expect(drawDelay(windowMs, () => drawn)).toBe(delayMs);
  });

  it('contain a remedy', () => {
    expect(refusals.badUpgrade('the method is not GET').detail).toContain('the method is not GET');
    expect(refusals.noSuchPath('/nowhere').detail).toContain('/nowhere');
    expect(refusals.banned('spam').detail).toBe('spam');
    expect(refusals.ipLimit(7, 1).detail).toContain('7 connections');
    expect(refusals.originRefused('"https://evil.com"').detail).toContain('"https://evil.com"');
  });

  it('list the supported versions (RFC 6455, section 4.4) and the authentication scheme (RFC 9110, section 11.6.1)', () => {
    expect(refusals.badUpgrade('').headers).toEqual({ 'Sec-WebSocket-Version': '13, 8' });
    expect(refusals.unauthenticated('').headers).toEqual({ 'WWW-Authenticate': 'Bearer' });
  });
});
