import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { type CloseCode, CloseCodes, closeReason, isSendableCloseCode } from './close-code.js';

const codes: readonly CloseCode[] = Object.values(CloseCodes);

describe('CloseCodes', () => {
  it.each([
    ['goingAway', 1001, 'after-delay'],
    ['tooBig', 1009, 'yes'],
    ['serviceRestart', 1012, 'after-delay'],
    ['tryAgainLater', 1013, 'after-delay'],
    ['overloaded', 4006, 'after-delay'],
    ['heartbeatTimeout', 4000, 'yes'],
    ['idle', 4001, 'yes'],
    ['lifetime', 4002, 'yes'],
    ['slowConsumer', 4003, 'yes'],
    ['rate', 4004, 'yes'],
    ['reconnect', 4005, 'after-delay'],
    ['kicked', 4500, 'no'],
    ['banned', 4501, 'no'],
    ['replaced', 4502, 'no'],
    ['unauthenticated', 4503, 'no'],
  ] as const)('%s is %d, reconnect: %s', (key, code, comeBack) => {
    expect(CloseCodes[key]).toMatchObject({ code, comeBack });
  });

  it('allows a reconnect below 4500 and forbids it from there on', () => {
    for (const { code, comeBack } of codes) expect([code, comeBack === 'no']).toEqual([code, code >= 4500]);
  });

  it('contains each code once, with a name that fits into a close frame beside the longest delay', () => {
    expect(new Set(codes.map(({ code }) => code)).size).toBe(codes.length);
    for (const { name } of codes) expect(closeReason(name, 2 ** 31 - 1)).toMatch(new RegExp(`^${name}; `));
  });

  it('cannot be changed', () => {
    expect([CloseCodes, ...codes].every(value => Object.isFrozen(value))).toBe(true);
  });
});

const a = (count: number) => 'a'.repeat(count);

describe('closeReason', () => {
  it.each([
    ['a short text as it is', 'idle', undefined, 'idle'],
    ['an empty text', '', undefined, ''],
    ['the delay after the text', 'reconnect', 4200, 'reconnect; retry-after=4200'],
    ['a delay of 0', 'reconnect', 0, 'reconnect; retry-after=0'],
    ['123 bytes whole', a(123), undefined, a(123)],
    ['the first 123 of 124 bytes', a(124), undefined, a(123)],
    ['the delay, and as much text as fits before it', a(200), 4200, `${a(105)}; retry-after=4200`],
    ['no half of a two-byte character', `${a(122)}é`, undefined, a(122)],
    ['no third of a three-byte character', `${a(121)}€`, undefined, a(121)],
    ['no part of a four-byte character', `${a(120)}😀😀`, undefined, a(120)],
    ['a four-byte character that just fits', `${a(119)}😀😀`, undefined, `${a(119)}😀`],
    ['whole characters before the delay', '😀'.repeat(40), 9, `${'😀'.repeat(27)}; retry-after=9`],
  ])('returns %s', (_what, words, retryAfterMs, reason) => {
    expect(closeReason(words, retryAfterMs)).toBe(reason);
  });

  it('always fits, keeps the delay, and cuts only as much as necessary', () => {
    // The replacement character and the byte order mark are removed by design.
    const words = fc.string({ unit: 'binary', maxLength: 150 }).map(text => text.replaceAll(/[\uFEFF\uFFFD]/g, ''));
    fc.assert(
      fc.property(words, fc.option(fc.nat(2 ** 31 - 1), { nil: undefined }), (given, retryAfterMs) => {
        const reason = closeReason(given, retryAfterMs);
        const tail = retryAfterMs === undefined ? '' : `; retry-after=${retryAfterMs}`;
        const kept = reason.slice(0, reason.length - tail.length);
        const [next = a(124)] = given.slice(kept.length);
        expect(reason).toBe(kept + tail);
        expect(given.startsWith(kept)).toBe(true);
        expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
        expect(kept === given || Buffer.byteLength(kept + next + tail) > 123).toBe(true);
      }),
    );
  });
});

describe('isSendableCloseCode', () => {
  it.each([
    [999, false],
    [1000, true],
    [1003, true],
    [1004, false],
    [1005, false],
    [1006, false],
    [1007, true],
    [1014, true],
    [1015, false],
    [2999, false],
    [3000, true],
    [4999, true],
    [5000, false],
    [0, false],
    [-1000, false],
    [Number.NaN, false],
  ])('of %d is %s', (code, sendable) => {
    expect(isSendableCloseCode(code)).toBe(sendable);
  });

  it('is true of every code of the table but 1006, which is only recorded', () => {
    expect(codes.map(({ code }) => code).filter(code => !isSendableCloseCode(code))).toEqual([1006]);
  });
});
