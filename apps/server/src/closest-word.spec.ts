import { describe, expect, it } from '@jest/globals';

import { closestWord, editsBetween } from './closest-word.js';

describe('editsBetween', () => {
  it.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', 'abd', 1],
    ['abc', 'abcd', 1],
    ['abc', 'bc', 1],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
  ])('of %j and %j is %d', (left, right, edits) => {
    expect(editsBetween(left, right)).toBe(edits);
    expect(editsBetween(right, left)).toBe(edits);
  });
});

describe('closestWord', () => {
  const words = ['HEARTBEAT_INTERVAL_MS', 'HEARTBEAT_EVENT', 'LIMITS_MAX_CONNECTIONS'];

  it.each([
    ['HEARTBEAT_INTERVALL_MS', 'HEARTBEAT_INTERVAL_MS'],
    ['HEARTBEAT_INTERVAL', 'HEARTBEAT_INTERVAL_MS'],
    ['LIMITS_MAX_CONECTION', 'LIMITS_MAX_CONNECTIONS'],
  ])('finds what %s was meant to be', (given, meant) => {
    expect(closestWord(given, words)).toBe(meant);
  });

  it('finds nothing for another word', () => {
    expect(closestWord('LIMITS_COLOUR', words)).toBeUndefined();
    expect(closestWord('X', [])).toBeUndefined();
  });
});
