import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { checkedCondition, checkedFilter } from './connection-filter.js';

const own = (key: string, value: unknown): object => Object.fromEntries([[key, value]]);
const hidden = (key: string, value: unknown): object => Object.defineProperty({}, key, { value, enumerable: false });

class Inherited {
  get user(): string {
    return 'ann';
  }
}
class Instance {
  user = 'ann';
}

const KEYS = [
  'user',
  'ip',
  'path',
  'node',
  'state',
  'transport',
  'minIdleMs',
  'minAgeMs',
  'minRttMs',
  'minBufferedBytes',
  'labels',
];
const TEXTS = ['user', 'ip', 'path', 'node'];
const NUMBERS = ['minIdleMs', 'minAgeMs', 'minRttMs', 'minBufferedBytes'];

const FAULTS: readonly (readonly [string, unknown, string])[] = [
  ...[undefined, null, 'user=ann', 7, true, [], [{ user: 'ann' }], () => ({ user: 'ann' })].map(
    given => ['no object', given, 'filter'] as const,
  ),
  ['a map', new Map([['user', 'ann']]), 'filter'],
  ['a condition that is inherited', Object.create({ user: 'ann' }), 'filter'],
  ['a condition that is inherited from an object without a prototype', Object.create(own2()), 'filter'],
  ['a condition that is a getter of a class', new Inherited(), 'filter'],
  ['conditions as the prototype', { __proto__: { user: 'ann' } }, 'filter'],
  ...KEYS.flatMap(key =>
    [undefined, null].map(value => ['a condition without a value', own(key, value), key] as const),
  ),
  ...TEXTS.flatMap(key =>
    [0, 7, true, {}, ['ann'], Symbol('ann'), new String('ann')].map(
      value => ['no text', own(key, value), key] as const,
    ),
  ),
  ...NUMBERS.flatMap(key =>
    [NaN, Infinity, -Infinity, -1, -Number.MIN_VALUE, '5', '', true, 5n, [], new Date(0)].map(
      value => ['no number from 0', own(key, value), key] as const,
    ),
  ),
  ...['', 'WS', 'http', 1, true, ['ws']].map(transport => ['no transport', { transport }, 'transport'] as const),
  ...['', 'OPEN', 'closed', 1, true, ['open']].map(state => ['no state', { state }, 'state'] as const),
  ...[{}, [], ['a'], [['a', 'b']], 'a', 1, new Map([['a', 'b']]), new Set(['a']), Object.create({ a: 'b' })].map(
    labels => ['no labels', { labels }, 'labels'] as const,
  ),
  ['labels with an undefined value', { labels: { ['a']: undefined } }, 'labels.a'],
  ['a label given as the prototype', { labels: { __proto__: 'x' } }, 'labels'],
  ...[undefined, null, 1, true, {}, ['x']].map(
    value => ['a label that is no text', { labels: { a: value } }, 'labels.a'] as const,
  ),
  ['one bad label of two', { labels: { a: 'x', b: undefined } }, 'labels.b'],
  ['a label that JSON would not send', { labels: hidden('a', 1) }, 'labels.a'],
  ['a label by a symbol', { labels: { [Symbol('a')]: 'x' } }, 'labels.Symbol(a)'],
  ...[
    'User',
    'userId',
    'users',
    'users ',
    'label',
    'label.a',
    'minIdle',
    'toString',
    'constructor',
    '__proto__',
    '',
  ].map(key => ['an unknown condition', own(key, 'x'), key] as const),
  ['an unknown condition without a value', { userId: undefined }, 'userId'],
  ['an unknown condition by a symbol', { [Symbol('user')]: 'ann' }, 'Symbol(user)'],
  ['an unknown condition that is not shown', hidden('users', 'ann'), 'users'],
  ['one good and one bad condition', { user: 'ann', path: undefined }, 'path'],
];

function own2(): object {
  return Object.assign(Object.create(null) as object, { user: 'ann' });
}

describe('checkedFilter', () => {
  it.each(FAULTS)('rejects %s: %p, and names %s', (_what, given, key) => {
    const problem = { key, rule: expect.any(String), remedy: expect.any(String) };
    expect(() => checkedFilter(given)).toThrow(
      expect.objectContaining({ code: 'HEARTBEAT_BAD_QUERY', problems: [expect.objectContaining(problem)] }),
    );
  });

  it('names every problem, with value, rule and remedy', () => {
    const given = { user: undefined, minAgeMs: -1, usr: 'ann', labels: { a: 1, b: 'x' } };
    expect(() => checkedFilter(given)).toThrow(
      'user is undefined but must be a text: give a text, or leave the condition out; ' +
        'minAgeMs is -1 but must be a number from 0: give a finite number that is not negative; ' +
        'usr is "ann" but is not a condition: the conditions are user, ip, path, node, state, transport, minIdleMs, minAgeMs, minRttMs, ' +
        'minBufferedBytes, labels; labels.a is 1 but must be a text: give a text',
    );
  });

  it.each<[string, object]>([
    ['nothing', {}],
    ['nothing, without a prototype', Object.create(null) as object],
    ['all conditions', { user: 'u', ip: '::1', path: '/', node: 'n', state: 'open', minIdleMs: 0, minAgeMs: 0.5 }],
    ['an empty text, which matches no connection', { user: '' }],
    ['labels with the names of members', { labels: own('__proto__', 'x') }],
    ['labels without a name or a value', { labels: { '': '' } }],
  ])('accepts %s', (_what, given) => {
    expect(checkedFilter(given)).toEqual({ ...given });
  });

  it('accepts conditions that are own properties of an instance, or not enumerable', () => {
    expect(checkedFilter(new Instance())).toEqual({ user: 'ann' });
    expect(checkedFilter(hidden('user', 'ann'))).toEqual({ user: 'ann' });
  });

  it('reads each value once, so that it checks what it returns', () => {
    let reads = 0;
    const given = {
      get user() {
        return ++reads === 1 ? 'ann' : undefined;
      },
    };
    expect(checkedFilter(given)).toEqual({ user: 'ann' });
    expect(checkedFilter(Object.freeze({ labels: Object.freeze({ a: 'b' }) }))).toEqual({ labels: { a: 'b' } });
  });

  it('keeps every label with any name', () => {
    const names = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'toString', ''));
    fc.assert(
      fc.property(fc.array(fc.tuple(names, fc.string()), { minLength: 1 }), pairs => {
        const labels = Object.fromEntries(pairs);
        expect(Object.entries(checkedFilter({ labels }).labels ?? {})).toEqual(Object.entries(labels));
      }),
    );
  });
});

describe('checkedCondition', () => {
  it.each<[unknown, string]>([
    [{}, 'filter'],
    [Object.create(null), 'filter'],
    [undefined, 'filter'],
    [null, 'filter'],
    ...TEXTS.map((key): [unknown, string] => [own(key, ''), key]),
    [{ user: '', minAgeMs: 5 }, 'user'],
    [{ labels: {} }, 'labels'],
    [{ user: undefined }, 'user'],
    [{ usr: 'ann' }, 'usr'],
  ])('rejects %p, which could affect all connections', (given, key) => {
    const problems = [expect.objectContaining({ key })];
    expect(() => checkedCondition(given)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_QUERY', problems }));
  });

  it.each([{ user: 'ann' }, { minAgeMs: 0 }, { labels: { '': '' } }])('accepts %p', given => {
    expect(checkedCondition(given)).toEqual(given);
  });
});
