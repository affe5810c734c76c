import { describe, expect, it } from '@jest/globals';

import { openFileLimit, ownSocketRoom, socketRoom } from './open-file-limit.js';

describe('openFileLimit', () => {
  it.each([
    ['Max open files            1024                 4096                 files', 1024],
    ['Max processes  5  5\nMax open files            unlimited            unlimited            files', Infinity],
    ['Max processes  5  5', null],
    [null, null],
  ])('of %j is %p', (text, expected) => {
    expect(openFileLimit(() => text)).toBe(expected);
  });
});

describe('socketRoom', () => {
  it.each([
    [300, 30, 232],
    [1024, 40, 856],
    [20_000, 40, 19_704],
    [1_048_576, 40, 1_048_280],
    [20, 10, 1],
  ])('of a limit of %i, of which %i are used, is %i', (limit, used, expected) => {
    expect(socketRoom(limit, used)).toBe(expected);
  });

  it('is known for this process, or unlimited', () => {
    expect(ownSocketRoom()).toBeGreaterThan(0);
  });
});
