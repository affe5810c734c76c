import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { HeartbeatError } from '../base/heartbeat.error.js';
import type { HeartbeatOptions } from './heartbeat.options.js';
import { DEFAULTS } from './heartbeat.options.js';
import { resolveOptions } from './resolve-options.js';

/** The error of a rejection; null when the options are accepted. Any other error is thrown. */
function refusalOf(given: unknown): HeartbeatError | null {
  try {
    resolveOptions(given as HeartbeatOptions);
    return null;
  } catch (error) {
    if (error instanceof HeartbeatError) return error;
    throw error;
  }
}

const keysOf = (error: HeartbeatError | null) => error?.problems.map(({ key }) => key);

describe('resolveOptions, of impossible pairs', () => {
  it.each([
    ['a least interval above the interval', { heartbeat: { intervalMs: 10_000 } }, 'heartbeat.minIntervalMs', 'above'],
    ['a pong timeout above all', { heartbeat: { pongTimeoutMs: 30_000 } }, 'heartbeat.pongTimeoutMs', '(15000)'],
    ['a drain longer than its deadline', { drain: { spreadMs: 23_001 } }, 'drain.deadlineMs', '= 25001'],
    ['a deadline below the longest default spread', { drain: { deadlineMs: 6999 } }, 'drain.deadlineMs', '= 7000'],
    [
      'a delay beside the longest default spread',
      { drain: { readinessDelayMs: 18_001 } },
      'drain.deadlineMs',
      '(18001 + 5000 + 2000 = 25001)',
    ],
    [
      'a deadline below the three',
      { drain: { readinessDelayMs: 1, spreadMs: 1, closeTimeoutMs: 1, deadlineMs: 2 } },
      'drain.deadlineMs',
      '(1 + 1 + 1 = 3)',
    ],
  ])('rejects %s', (_what, given, key, rule) => {
    const error = refusalOf(given);
    expect(keysOf(error)).toEqual([key]);
    expect(error?.problems[0]).toMatchObject({
      rule: expect.stringContaining(rule),
      remedy: expect.stringMatching(/\w/),
    });
  });

  it.each<[string, HeartbeatOptions]>([
    ['a pong timeout just below the least interval', { heartbeat: { minIntervalMs: 10_001 } }],
    ['a deadline that just holds the longest default spread', { drain: { deadlineMs: 7000 } }],
    ['a short deadline with a spread to match', { drain: { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 500 } }],
    ['a drain that just fits', { drain: { spreadMs: 23_000 } }],
  ])('accepts %s', (_what, given) => {
    expect(refusalOf(given)).toBeNull();
  });

  it('checks a pair only where both of its values are possible', () => {
    expect(keysOf(refusalOf({ heartbeat: { intervalMs: -5 } }))).toEqual(['heartbeat.intervalMs']);
    expect(keysOf(refusalOf({ drain: { spreadMs: '1e9', deadlineMs: 1 } }))).toEqual(['drain.spreadMs']);
  });
});

describe('resolveOptions, of a schedule', () => {
  it.each(['0 0 31 2 *', '0 0 0 31 4 *'])('rejects %p, which matches no date', cron => {
    expect(keysOf(refusalOf({ reaper: { cron } }))).toEqual(['reaper.cron']);
  });

  it.each(['* * * * *', '* * * * * *', '0 0 29 2 *'])('accepts %p', cron => {
    expect(refusalOf({ reaper: { cron } })).toBeNull();
  });
});

describe('resolveOptions, of unknown keys', () => {
  it.each<[string, unknown, string, string]>([
    ['a group', { heartbeats: {} }, 'heartbeats', 'the groups are heartbeat, reaper'],
    ['a key in a group', { heartbeat: { intervalMS: 1 } }, 'heartbeat.intervalMS', 'heartbeat has intervalMs'],
    ['a key of another group', { drain: { cron: '' } }, 'drain.cron', 'drain has readinessDelayMs'],
    [
      'a key of a token',
      { admin: { tokens: [{ token: 'x', role: 'viewer', name: 'y', scope: 'all' }] } },
      'admin.tokens.0.scope',
      'has token, role, name',
    ],
    ['a property of every object', { constructor: 1 }, 'constructor', 'the groups are'],
    ['a property of every object, in a group', { reaper: { toString: 1 } }, 'reaper.toString', 'reaper has cron'],
    ['__proto__', JSON.parse('{"__proto__":{"closedHistory":5}}'), '__proto__', 'the groups are'],
    ['__proto__ in a group', JSON.parse('{"reaper":{"__proto__":{}}}'), 'reaper.__proto__', 'reaper has cron'],
  ])('rejects %s, and lists the valid ones', (_what, given, key, remedy) => {
    const error = refusalOf(given);
    expect(keysOf(error)).toEqual([key]);
    expect(error?.problems[0]).toMatchObject({
      rule: 'is not an option',
      remedy: expect.stringContaining(remedy),
    });
  });
});

describe('resolveOptions, of several problems', () => {
  it('lists all of them', () => {
    const error = refusalOf({
      heartbeat: { intervalMs: 0, missedPongs: 'two', beat: 1 },
      drain: { deadlineMs: 10 },
      limit: {},
      closedHistory: -1,
    });
    const keys = [
      'closedHistory',
      'drain.deadlineMs',
      'heartbeat.beat',
      'heartbeat.intervalMs',
      'heartbeat.missedPongs',
      'limit',
    ];
    expect(keysOf(error)?.toSorted()).toEqual(keys);
    expect(error?.message).toMatch(/^HeartbeatModule cannot start, 6 options are wrong:\n/);
    for (const key of keys) expect(error?.message).toContain(`\n  - ${key} is `);
  });

  it('lists each problem once', () => {
    const keys = keysOf(refusalOf({ heartbeat: { intervalMs: -1.5, pongTimeoutMs: Number.NaN }, closedHistory: 0.5 }));
    expect(new Set(keys).size).toBe(keys?.length);
  });
});

describe('resolveOptions, of tokens', () => {
  const secret = 'S3cret-value';

  it.each<[string, unknown]>([
    ['an unknown role', { tokens: [{ token: secret, role: 'root', name: 'a' }] }],
    ['no name', { tokens: [{ token: secret, role: 'viewer' }] }],
    ['an unknown key', { tokens: [{ token: secret, role: 'viewer', name: 'a', more: 1 }] }],
    ['a token of the wrong type', { tokens: [{ token: [secret], role: 'viewer', name: 'a' }] }],
    ['a token that is too long', { tokens: [{ token: secret.repeat(100), role: 'viewer', name: 'a' }] }],
    [
      'the same token twice',
      {
        tokens: [
          { token: secret, role: 'viewer', name: 'a' },
          { token: secret, role: 'operator', name: 'b' },
        ],
      },
    ],
    ['the token under a misspelt key', { tokens: [{ Token: secret, role: 'viewer', name: 'a' }] }],
    ['a token instead of its object', { tokens: [secret] }],
    ['a token instead of the list', { tokens: secret }],
    ['one object instead of the list', { tokens: { token: secret, role: 'viewer', name: 'a' } }],
    ['a token instead of the group', secret],
    ['a token outside of the list', { token: secret }],
  ])('shows no token in the error for %s', (_what, admin) => {
    const error = refusalOf({ admin });
    expect(error).not.toBeNull();
    expect(`${error?.message} ${JSON.stringify(error?.problems)}`).not.toContain(secret);
  });
});

describe('resolveOptions, of values that are no options', () => {
  const loop: { self?: unknown } = {};
  loop.self = loop;

  it.each<[string, unknown]>([
    ['null', null],
    ['a number', 5],
    ['a text', 'heartbeat'],
    ['a list', []],
    ['a function', () => ({})],
    ['null for a group', { heartbeat: null }],
    ['null for another group', { drain: null }],
    ['a number for a group', { heartbeat: 5 }],
    ['a list for a group', { drain: [1] }],
    ['a bigint', { heartbeat: { intervalMs: 25_000n } }],
    ['a symbol', { closedHistory: Symbol('many') }],
    ['an object that holds itself', { reaper: { cron: loop } }],
  ])('rejects %s', (_what, given) => {
    expect(refusalOf(given)?.code).toBe('HEARTBEAT_BAD_OPTIONS');
  });

  it('either resolves or rejects any value', () => {
    const anything = fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true, withMap: true });
    const groups = Object.entries(DEFAULTS).map(([group, keys]): [string, fc.Arbitrary<unknown>] => [
      group,
      fc.oneof(
        anything,
        fc.record(Object.fromEntries(Object.keys(keys ?? {}).map(key => [key, anything])), { requiredKeys: [] }),
      ),
    ]);
    const options = fc.record(Object.fromEntries(groups), { requiredKeys: [] });
    fc.assert(
      fc.property(fc.oneof(anything, options), given => {
        expect(refusalOf(given)?.problems).not.toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
