import { describe, expect, it } from '@jest/globals';

import { Distribution } from './distribution.js';

describe('Distribution', () => {
  it('counts a value at the first bound that is not below it', () => {
    const distribution = new Distribution([1, 5, 10]);
    for (const value of [0, 1, 1.1, 5, 10, 10.1, 1000]) distribution.record(value);
    expect(distribution.counts).toEqual([2, 2, 1, 2]);
  });

  it('returns the number of values, and their sum', () => {
    const distribution = new Distribution([1]);
    expect(distribution).toMatchObject({ count: 0, sum: 0 });
    distribution.record(0.5);
    distribution.record(2);
    expect(distribution).toMatchObject({ count: 2, sum: 2.5 });
  });
});
