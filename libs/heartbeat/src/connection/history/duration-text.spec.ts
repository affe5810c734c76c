import { describe, expect, it } from '@jest/globals';

import { durationText } from './duration-text.js';

describe('durationText', () => {
  it.each([
    [0, '0 ms'],
    [0.4, '0 ms'],
    [999, '999 ms'],
    [1000, '1 s'],
    [9849, '9.8 s'],
    [10_000, '10 s'],
    [179_900, '179.9 s'],
    [180_000, '3 min'],
    [3_600_000, '60 min'],
    [7_200_000, '2 h'],
    [172_799_000, '48 h'],
    [172_800_000, '2 days'],
  ])('shows %d ms as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
