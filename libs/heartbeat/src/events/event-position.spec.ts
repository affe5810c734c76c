import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { bootOf, MAX_POSITIONS, positionsOf, positionText } from './event-position.js';

describe('the id of an event', () => {
  it('is the position at each node', () => {
    expect(positionsOf('9f86d081:12,61ed74df:0')).toEqual(
      new Map([
        ['9f86d081', 12],
        ['61ed74df', 0],
      ]),
    );
  });

  it('names a node by the random part of its id', () => {
    expect(bootOf('node-1-9f86d081')).toBe('9f86d081');
    expect(positionText(bootOf('9f86d081'), 7)).toBe('9f86d081:7');
  });

  it('is read as it was written', () => {
    const boot = fc.stringMatching(/^[0-9a-f]{8}$/);
    const pairs = fc.uniqueArray(fc.tuple(boot, fc.nat({ max: 1e12 })), {
      selector: ([name]) => name,
      minLength: 1,
      maxLength: MAX_POSITIONS,
    });
    fc.assert(
      fc.property(pairs, given => {
        expect([...positionsOf(given.map(([name, seq]) => positionText(name, seq)).join(','))!]).toEqual(given);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    '',
    ',',
    '9f86d081',
    '9f86d081:',
    '9f86d081:-1',
    '9f86d081:01',
    '9f86d081:1e3',
    '9f86d081:1.5',
    '9F86D081:1',
    '9f86d08:1',
    '9f86d081:1,',
    '9f86d081:1,9f86d081:2',
    '9f86d081:1 ,61ed74df:2',
    '9f86d081:9999999999999999',
    'null',
    '42',
  ])('is not %j', text => {
    expect(positionsOf(text)).toBeNull();
  });

  it('has at most 200 nodes', () => {
    const all = Array.from({ length: MAX_POSITIONS + 1 }, (_, index) =>
      positionText(index.toString(16).padStart(8, '0'), 1),
    );
    expect(positionsOf(all.slice(1).join(','))?.size).toBe(MAX_POSITIONS);
    expect(positionsOf(all.join(','))).toBeNull();
  });
});
