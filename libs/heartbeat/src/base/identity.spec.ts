import { describe, expect, it } from '@jest/globals';

import { frozenIdentity, type Identity, identityProblem } from './identity.js';

describe('identityProblem', () => {
  it.each<[string, unknown, string | null]>([
    ['a user', { userId: 'ann' }, null],
    ['a user with labels', { userId: 'ann', labels: { room: 'a' } }, null],
    ['a user without labels', { userId: 'ann', labels: undefined }, null],
    ['a user until a date', { userId: 'ann', expiresAt: new Date(5) }, null],
    ['a user until a moment in milliseconds', { userId: 'ann', expiresAt: 5 }, null],
    ['a user for ever', { userId: 'ann', expiresAt: undefined }, null],
    ['a user whose end has passed, which is for others to judge', { userId: 'ann', expiresAt: 0 }, null],
    ['undefined', undefined, 'it is undefined'],
    ['null', null, 'it is null'],
    ['a text', 'ann', 'it is a text but must be { userId'],
    ['true', true, 'it is a boolean'],
    ['an empty object', {}, 'userId is undefined'],
    ['a user without a name', { userId: '' }, 'userId is an empty text'],
    ['a user that is a number', { userId: 7 }, 'userId is a number'],
    ['a user that is a list', { userId: ['ann'] }, 'userId is a list'],
    ['labels that are null', { userId: 'ann', labels: null }, 'labels is null'],
    ['labels that are a text', { userId: 'ann', labels: 'blue' }, 'labels is a text'],
    ['a label that is undefined', { userId: 'ann', labels: { room: undefined } }, 'labels.room is undefined'],
    ['a label that is null', { userId: 'ann', labels: { a: 'b', plan: null } }, 'labels.plan is null'],
    ['a label that is a number', { userId: 'ann', labels: { level: 3 } }, 'labels.level is a number'],
    ['a user until NaN', { userId: 'ann', expiresAt: Number.NaN }, 'expiresAt is NaN'],
    ['a user until no date', { userId: 'ann', expiresAt: new Date('soon') }, 'expiresAt is an invalid Date'],
    ['a user until a text', { userId: 'ann', expiresAt: '2030-01-01' }, 'expiresAt is a text'],
    ['a user until null', { userId: 'ann', expiresAt: null }, 'expiresAt is null'],
  ])('of %s: names the field that is wrong, and no other', (_what, identity, problem) => {
    const found = identityProblem(identity);
    expect(problem === null ? found : found?.slice(0, problem.length)).toBe(problem);
    const fields = ['userId is', 'labels', 'expiresAt is'].filter(field => found?.startsWith(field));
    expect(fields.length).toBeLessThanOrEqual(1);
  });

  it('shows no value, since an identity may hold personal data', () => {
    const values = [{ userId: { mail: 'ann@x.org' } }, { userId: 'a', labels: { mail: ['ann@x.org'] } }, 'ann@x.org'];
    expect(values.map(identityProblem).join(' ')).not.toContain('ann@');
  });
});

describe('frozenIdentity', () => {
  it('is a complete copy that cannot be changed', () => {
    const given = { userId: 'ann', labels: { room: 'a' }, expiresAt: 5 };
    const copy = frozenIdentity(given);
    expect(copy).toEqual(given);
    given.userId = given.labels.room = 'changed';
    expect(copy).toEqual({ userId: 'ann', labels: { room: 'a' }, expiresAt: 5 });
    expect(() => Object.assign(copy, { userId: 'bob' })).toThrow(TypeError);
    expect(() => Object.assign(copy.labels!, { room: 'b' })).toThrow(TypeError);
  });

  it('has no labels where none were given, and keeps a label named like a property of every object', () => {
    expect(frozenIdentity({ userId: 'ann' })).toEqual({ userId: 'ann', labels: {} });
    const labels: Identity['labels'] = Object.fromEntries([['__proto__', 'x']]);
    expect(Object.entries(frozenIdentity({ userId: 'ann', labels }).labels!)).toEqual([['__proto__', 'x']]);
  });
});
