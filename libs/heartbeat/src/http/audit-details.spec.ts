import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { boundedDetails, shortened } from './audit-details.js';

describe('boundedDetails', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['small ones', { reason: 'spam', forMs: 5, force: true }, { reason: 'spam', forMs: 5, force: true }],
    ['an absent value', { reason: undefined, node: null }, { node: null }],
    ['a time', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
    ['values without JSON', { a: 1n, b: () => 1, c: Symbol('c') }, { a: 'bigint', b: 'function', c: 'symbol' }],
    [
      'secrets',
      { token: 'abcdefghijkl', adminToken: 'short', a: { password: 'p'.repeat(50) } },
      { token: 'abcdef…', adminToken: 'short…', a: { password: 'pppppp…' } },
    ],
    ['deep objects', { a: { b: { c: { d: { e: { f: 1 } } } } } }, { a: { b: { c: { d: { e: '…' } } } } }],
  ])('keeps or cuts %s', (_what, given, kept) => {
    expect(boundedDetails(given)).toEqual(kept);
  });

  it('cuts long texts and lists', () => {
    const { value } = boundedDetails({ value: 'v'.repeat(1500) });
    expect(value).toBe(`${'v'.repeat(1000)}… (500 more)`);
    const { ids } = boundedDetails({ ids: Array.from({ length: 1000 }, (_, n) => n) }) as { ids: unknown[] };
    expect([ids.length, ids[0], ids[20]]).toEqual([21, 0, '… (980 more)']);
    const many = boundedDetails(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`key${n}`, n])));
    expect([Object.keys(many).length, many['…']]).toEqual([21, '10 more']);
  });

  it('survives a value that cannot be read', () => {
    const given = Object.defineProperty({}, 'a', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    expect(boundedDetails(given)).toEqual({ cut: 'unreadable' });
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(JSON.stringify(boundedDetails(circle)).length).toBeLessThan(100);
  });

  it('is bounded JSON for any value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), given => {
        expect(JSON.stringify(boundedDetails(given)).length).toBeLessThan(10_000);
      }),
    );
    const wide = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, 'x'.repeat(5000)]));
    expect(JSON.stringify(boundedDetails({ wide, and: wide })).length).toBeLessThan(3000);
  });
});

describe('shortened', () => {
  it.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'abc… (1 more)'],
  ])('of %s with at most %i characters', (text, max, short) => {
    expect(shortened(text, max)).toBe(short);
  });
});
