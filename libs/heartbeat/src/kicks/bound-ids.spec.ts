import { describe, expect, it } from '@jest/globals';

import { BoundIds } from './bound-ids.js';

describe('BoundIds', () => {
  it('gives the connections of a token once', () => {
    const bound = new BoundIds();
    bound.add('a', [1, 2 ** 40], 100);
    expect([...bound.take('a')!]).toEqual([1, 2 ** 40]);
    expect([bound.take('a'), bound.size]).toEqual([null, 0]);
  });

  it('forgets tokens that have expired', () => {
    const bound = new BoundIds();
    bound.add('a', [1], 100);
    bound.add('b', [2], 200);
    bound.expire(100);
    expect(bound.jobs()).toEqual(['b']);
  });

  it('keeps 64 tokens, and drops the oldest', () => {
    const bound = new BoundIds();
    for (let n = 0; n < 70; n++) bound.add(`t${n}`, [n], 100);
    expect([bound.size, bound.jobs()[0]]).toEqual([64, 't6']);
  });

  it('keeps a million connections, and drops the oldest tokens', () => {
    const bound = new BoundIds();
    const many = Array.from({ length: 400_000 }, (_, n) => n);
    for (const token of ['a', 'b', 'c']) bound.add(token, many, 100);
    expect(bound.jobs()).toEqual(['b', 'c']);
    bound.take('b');
    bound.add('d', many, 100);
    expect(bound.jobs()).toEqual(['c', 'd']);
  });
});
