import { describe, expect, it } from '@jest/globals';
import { socketsPerProcess, splitConnections } from './file-limit.js';

describe('socketsPerProcess', () => {
  it.each([
    ['Max open files            20000                20000                files', 19_900],
    ['Max open files            unlimited            unlimited            files', Number.MAX_SAFE_INTEGER],
    ['Max cpu time              unlimited            unlimited            seconds', 924],
  ])('reads %s', (limits, expected) => {
    expect(socketsPerProcess(`Limit   Soft Limit\n${limits}\n`)).toBe(expected);
  });

  it('assumes the usual where the system does not tell', () => {
    expect(socketsPerProcess(null)).toBe(924);
  });
});

describe('splitConnections', () => {
  it.each([
    [1, [1]],
    [5000, [5000]],
    [5001, [2501, 2500]],
    [12_000, [4000, 4000, 4000]],
  ])('shares %i as %j', (connections, sizes) => {
    expect(splitConnections(connections, 5000)).toEqual(sizes);
  });
});
