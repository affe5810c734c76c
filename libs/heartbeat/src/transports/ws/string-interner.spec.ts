import { describe, expect, it } from '@jest/globals';

import { StringInterner } from './string-interner.js';

describe('StringInterner', () => {
  it('returns an equal string', () => {
    const pool = new StringInterner();
    expect(['jest', 'curl', 'jest'].map(word => pool.one(word))).toEqual(['jest', 'curl', 'jest']);
    expect(pool.size).toBe(2);
  });

  it('is bounded for any input', () => {
    const pool = new StringInterner();
    for (let index = 0; index < 5000; index += 1) {
      expect(pool.one(`browser ${index}`)).toBe(`browser ${index}`);
      expect(pool.size).toBeLessThanOrEqual(1000);
    }
  });
});
