import { describe, expect, it } from '@jest/globals';

import { frozenIdentity, type Identity, isIdentity } from './identity.js';

describe('isIdentity', () => {
  it.each<[string, object, boolean]>([
    ['a user', { userId: 'ann' }, true],
    ['a user with labels', { userId: 'ann', labels: { room: 'a' } }, true],
    ['a user until a date', { userId: 'ann', expiresAt: new Date(5) }, true],
    ['a user until a moment in milliseconds', { userId: 'ann', expiresAt: 5 }, true],
    ['a user for ever', { userId: 'ann', expiresAt: undefined }, true],
    ['a user that ended long ago, which is for others to judge', { userId: 'ann', expiresAt: 0 }, true],
    ['nobody', {}, false],
    ['a user without a name', { userId: '' }, false],
    ['a user that is no text', { userId: 7 }, false],
    ['a user until no time', { userId: 'ann', expiresAt: Number.NaN }, false],
    ['a user until no date', { userId: 'ann', expiresAt: new Date('soon') }, false],
    ['a user until a text', { userId: 'ann', expiresAt: '2030-01-01' }, false],
  ])('takes %s: %j is one: %j', (_what, identity, is) => {
    expect(isIdentity(identity)).toBe(is);
  });
});

describe('frozenIdentity', () => {
  it('is a copy of all of it, that nobody can change', () => {
    const given = { userId: 'ann', labels: { room: 'a' }, expiresAt: 5 };
    const copy = frozenIdentity(given);
    expect(copy).toEqual(given);
    given.userId = given.labels.room = 'changed';
    expect(copy).toEqual({ userId: 'ann', labels: { room: 'a' }, expiresAt: 5 });
    expect(() => Object.assign(copy, { userId: 'bob' })).toThrow(TypeError);
    expect(() => Object.assign(copy.labels!, { room: 'b' })).toThrow(TypeError);
  });

  it('has no labels where none were given, and keeps one that is named as something that every object has', () => {
    expect(frozenIdentity({ userId: 'ann' })).toEqual({ userId: 'ann', labels: {} });
    const labels: Identity['labels'] = Object.fromEntries([['__proto__', 'x']]);
    expect(Object.entries(frozenIdentity({ userId: 'ann', labels }).labels!)).toEqual([['__proto__', 'x']]);
  });
});
