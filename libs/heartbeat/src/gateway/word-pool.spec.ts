import { describe, expect, it } from '@jest/globals';

import { WordPool } from './word-pool.js';

describe('WordPool', () => {
  it('answers with the same word', () => {
    const pool = new WordPool();
    expect(['jest', 'curl', 'jest'].map(word => pool.one(word))).toEqual(['jest', 'curl', 'jest']);
    expect(pool.size).toBe(2);
  });

  it('is bounded, whatever clients send', () => {
    const pool = new WordPool();
    for (let index = 0; index < 5000; index += 1) {
      expect(pool.one(`browser ${index}`)).toBe(`browser ${index}`);
      expect(pool.size).toBeLessThanOrEqual(1000);
    }
  });
});
