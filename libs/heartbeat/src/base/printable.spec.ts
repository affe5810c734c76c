import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import { printable } from './printable.js';

describe('printable', () => {
  it.each([
    ['a line feed', 'a\nb', 'a\\nb'],
    ['a carriage return', 'a\r\nb', 'a\\r\\nb'],
    ['a tab', 'a\tb', 'a\\tb'],
    ['a NUL', 'a\0b', 'a\\x00b'],
    ['a colour of a terminal', '\x1b[31mred', '\\x1b[31mred'],
    ['a terminal command in one C1 byte', '\x9b2J', '\\x9b2J'],
    ['a delete', 'a\x7f', 'a\\x7f'],
    ['a next line (C1)', 'a\x85b', 'a\\x85b'],
    ['a line separator', 'a\u2028b', 'a\\u2028b'],
    ['a paragraph separator', 'a\u2029b', 'a\\u2029b'],
    ['a right-to-left override', 'a\u202eb', 'a\\u202eb'],
    ['a bidirectional isolate', 'a\u2066b', 'a\\u2066b'],
    ['an Arabic letter mark', 'a\u061cb', 'a\\u061cb'],
    ['a zero-width space', 'a\u200bb', 'a\\u200bb'],
    ['a byte order mark', '\ufeffa', '\\ufeffa'],
    ['a soft hyphen', 'a\u00adb', 'a\\xadb'],
    ['half of a surrogate pair', 'a\ud83d', 'a\\ud83d'],
    ['the other half', '\ude00b', '\\ude00b'],
    ['an invisible tag', 'a\u{e0041}', 'a\\u{e0041}'],
  ])('escapes %s', (_what, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each(['plain text, "quotes" and \\ a backslash', 'Grüße', '日本語', 'שלום', 'a 😀 b'])('keeps %s', text => {
    expect(printable(text)).toBe(text);
  });

  it('cuts a long text, and marks the cut', () => {
    expect(printable('x'.repeat(501))).toBe(`${'x'.repeat(500)}…`);
    expect(printable('abcdef', 3)).toBe('abc…');
  });

  it('escapes half of a character that a cut leaves', () => {
    expect(printable('ab😀', 3)).toBe('ab\\ud83d…');
  });

  it('returns one line of visible characters for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(printable(text)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});
