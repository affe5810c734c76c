import { hostname } from 'node:os';

import { describe, expect, it } from '@jest/globals';

import { HeartbeatError } from './heartbeat.error.js';
import type { HeartbeatOptions } from './heartbeat.options.js';
import { DEFAULT_ROUTES, DEFAULTS } from './defaults.js';
import { resolveOptions } from './resolve-options.js';

/** The error that these options stop the start with. */
function refusalOf(given: unknown): HeartbeatError {
  try {
    resolveOptions(given as HeartbeatOptions);
  } catch (error) {
    if (error instanceof HeartbeatError) return error;
    throw error;
  }
  throw new Error('the options were taken');
}

/** Options with one value, at a path such as `heartbeat.intervalMs`. */
function optionsWith(path: string, value: unknown): unknown {
  return path.split('.').reduceRight((inner, key) => ({ [key]: inner }), value);
}

const operator = { token: 'S3cret-value', role: 'operator', name: 'ann' } as const;

describe('resolveOptions', () => {
  it('gives the contract’s defaults where nothing is given', () => {
    const defaults = {
      heartbeat: {
        intervalMs: 25_000,
        pongTimeoutMs: 10_000,
        missedPongs: 2,
        skipWhenActive: true,
        event: 'heartbeat',
      },
      reaper: { cron: '*/10 * * * * *', idleTimeoutMs: 0, maxLifetimeMs: 0, lifetimeJitter: 0.1 },
      limits: {
        maxConnections: 10_000,
        maxMessageBytes: 65_536,
        maxFragments: 1024,
        messageTimeoutMs: 10_000,
        maxInFlight: 64,
      },
      drain: { readinessDelayMs: 0, spreadMs: 5000, closeTimeoutMs: 2000, deadlineMs: 25_000, returnWindowMs: 10_000 },
      admin: { tokens: [] },
      health: { notReadyAtCapacity: true },
      cluster: { nodeName: hostname() },
      closedHistory: 1000,
    };
    expect(resolveOptions()).toEqual(defaults);
    expect(DEFAULTS).toEqual(defaults);
    expect(DEFAULT_ROUTES).toMatchObject({ health: '/health', admin: '/admin' });
  });

  it('lays what is given over the defaults, key by key', () => {
    const resolved = resolveOptions({
      heartbeat: { intervalMs: 30_000 },
      admin: { tokens: [operator] },
      closedHistory: 0,
    });
    expect(resolved).toEqual({
      ...DEFAULTS,
      heartbeat: { ...DEFAULTS.heartbeat, intervalMs: 30_000 },
      admin: { tokens: [operator] },
      closedHistory: 0,
    });
  });

  it('takes undefined as not given, for a group and for a key', () => {
    expect(resolveOptions({ heartbeat: undefined, drain: { spreadMs: undefined } })).toEqual(DEFAULTS);
  });

  it('freezes all of it', () => {
    const isFrozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
    expect(isFrozen(resolveOptions())).toBe(true);
    expect(isFrozen(resolveOptions({ admin: { tokens: [{ ...operator }] }, reaper: { idleTimeoutMs: 5 } }))).toBe(true);
  });

  it.each([
    ['heartbeat.intervalMs', 200],
    ['heartbeat.missedPongs', 1],
    ['heartbeat.skipWhenActive', false],
    ['heartbeat.event', 'beat'],
    ['reaper.cron', '*/5 * * * *'],
    ['reaper.lifetimeJitter', 0],
    ['reaper.lifetimeJitter', 1],
    ['limits.maxConnections', 1],
    ['limits.messageTimeoutMs', 0],
    ['drain.spreadMs', 0],
    ['drain.returnWindowMs', 0],
    ['closedHistory', 0],
    ['cluster.nodeName', 'blue'],
  ])('takes %s: %p', (path, value) => {
    const given = optionsWith(path, value) as HeartbeatOptions;
    const fitting = path === 'heartbeat.intervalMs' ? { heartbeat: { intervalMs: 200, pongTimeoutMs: 199 } } : given;
    expect(resolveOptions(fitting)).toMatchObject(given);
  });

  const times = 'whole number of milliseconds';
  const durations = [
    'heartbeat.intervalMs',
    'heartbeat.pongTimeoutMs',
    'reaper.idleTimeoutMs',
    'reaper.maxLifetimeMs',
    'limits.messageTimeoutMs',
    'drain.readinessDelayMs',
    'drain.spreadMs',
    'drain.closeTimeoutMs',
    'drain.deadlineMs',
    'drain.returnWindowMs',
  ];
  const counts = [
    ['heartbeat.missedPongs', 'pings'],
    ['limits.maxConnections', 'connections'],
    ['limits.maxMessageBytes', 'bytes'],
    ['limits.maxFragments', 'fragments'],
    ['limits.maxInFlight', 'handlers'],
    ['closedHistory', 'connections'],
  ];

  it.each<[string, unknown, string]>([
    ...durations.flatMap((key): [string, unknown, string][] =>
      [-1, 1000.5, '1000', null, true, 2 ** 31, {}, []].map(value => [key, value, times]),
    ),
    ...counts.flatMap(([key = '', unit]): [string, unknown, string][] =>
      [-1, 2.5, '3', null, 1e9, {}].map(value => [key, value, `whole number of ${unit}`]),
    ),
    ['heartbeat.intervalMs', 199, 'from 200'],
    ['heartbeat.pongTimeoutMs', 49, 'from 50'],
    ['heartbeat.missedPongs', 0, 'from 1'],
    ['limits.maxConnections', 0, 'from 1'],
    ['limits.maxInFlight', 0, 'from 1'],
    ['drain.closeTimeoutMs', 0, 'from 1'],
    ...['heartbeat.skipWhenActive', 'health.notReadyAtCapacity'].flatMap((key): [string, unknown, string][] =>
      [1, 'true', null].map(value => [key, value, 'must be true or false']),
    ),
    ['heartbeat.event', '', 'text of 1 to 100 characters'],
    ['heartbeat.event', 'x'.repeat(101), 'text of 1 to 100 characters'],
    ['heartbeat.event', 7, 'text of 1 to 100 characters'],
    ['cluster.nodeName', '', 'text of 1 to 200 characters'],
    ...['', '* * * *', 'every minute', '60 * * * * *', '* * * * * * *', 5, null].map(
      (value): [string, unknown, string] => ['reaper.cron', value, 'must be a cron expression'],
    ),
    ...[-0.1, 1.1, '0.1', null].map((value): [string, unknown, string] => [
      'reaper.lifetimeJitter',
      value,
      'from 0 to 1',
    ]),
    ['admin.tokens', {}, 'must be a list'],
    ['admin.tokens', [5], 'must be'],
    ['admin.tokens', [{ ...operator, role: 'root' }], 'must be "viewer" or "operator"'],
    ['admin.tokens', [{ ...operator, name: '' }], 'text of 1 to 100 characters'],
    ['admin.tokens', [{ ...operator, token: '' }], 'text of 1 to 1024 characters'],
    ['admin.tokens', [{ token: 'x', role: 'viewer' }], 'text of 1 to 100 characters'],
    ['admin.tokens', [operator, { ...operator, name: 'bob' }], 'must not hold the same token twice'],
  ])('refuses %s: %p', (path, value, rule) => {
    const { code, message, problems } = refusalOf(optionsWith(path, value));
    expect(code).toBe('HEARTBEAT_BAD_OPTIONS');
    expect(problems).toHaveLength(1);
    const { key, rule: told, remedy } = problems[0]!;
    expect(key === path || key.startsWith(`${path}.`)).toBe(true);
    expect(told).toContain(rule);
    expect(remedy).toMatch(/correct it/);
    expect(message).toMatch(/^HeartbeatModule cannot start, an option is wrong:\n {2}- \S/);
    expect(message).toContain(`- ${key} is `);
    expect(message).toContain(` but ${told}: ${remedy}`);
  });

  it('says what is left when the key is left out', () => {
    expect(refusalOf({ heartbeat: { intervalMs: 'soon' } }).message).toBe(
      'HeartbeatModule cannot start, an option is wrong:\n' +
        '  - heartbeat.intervalMs is "soon" but must be a whole number of milliseconds from 200 to 2147483647: correct it, or leave it out for 25000',
    );
  });

  it('shows a number that is none as it is, since that is what a missing variable becomes', () => {
    expect(refusalOf({ heartbeat: { intervalMs: Number.NaN } }).message).toContain('heartbeat.intervalMs is NaN but');
  });
});
