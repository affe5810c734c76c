import { describe, expect, it } from '@jest/globals';

import { clusterPosition } from './cluster-answers.js';

describe('clusterPosition', () => {
  it.each<[unknown, boolean]>([
    [{ at: null, behind: [] }, true],
    [
      {
        at: { key: null, id: 'a.1' },
        behind: [
          ['b', null],
          ['c', { key: 1.5, id: 'c.1' }],
        ],
      },
      true,
    ],
    [{ at: null, behind: [['b']] }, false],
    [{ at: { key: 'x', id: 'a.1' }, behind: [] }, false],
  ])('accepts %j: %p', (given, isGood) => {
    expect(clusterPosition.safeParse(given).success).toBe(isGood);
  });
});
