import { describe, expect, it } from '@jest/globals';

import { HeartbeatError } from '../base/heartbeat.error.js';
import type { HeartbeatOptions } from './heartbeat.options.js';
import { resolveOptions } from './resolve-options.js';
import { optionsWith, operator } from '../../../../test/support/given-options.js';

/** The error of the start with these options. */
function refusalOf(given: unknown): HeartbeatError {
  try {
    resolveOptions(given as HeartbeatOptions);
  } catch (error) {
    if (error instanceof HeartbeatError) return error;
    throw error;
  }
  throw new Error('the options were taken');
}

describe('resolveOptions', () => {
  const times = 'whole number of milliseconds';
  const durations = [
    'heartbeat.intervalMs',
    'heartbeat.pongTimeoutMs',
    'reaper.idleTimeoutMs',
    'reaper.maxLifetimeMs',
    'heartbeat.minIntervalMs',
    'heartbeat.maxIntervalMs',
    'reaper.identifyTimeoutMs',
    'limits.handshakeTimeoutMs',
    'limits.messageTimeoutMs',
    'backpressure.slowAfterMs',
    'tcp.keepAliveDelayMs',
    'drain.readinessDelayMs',
    'drain.spreadMs',
    'drain.closeTimeoutMs',
    'drain.workTimeoutMs',
    'drain.deadlineMs',
    'drain.returnWindowMs',
  ];
  const counts = [
    ['heartbeat.missedPongs', 'pings'],
    ['limits.maxConnections', 'connections'],
    ['limits.maxMessageBytes', 'bytes'],
    ['limits.maxFragments', 'fragments'],
    ['limits.maxInFlight', 'handlers'],
    ['limits.maxPerIp', 'connections'],
    ['limits.maxPerUser', 'connections'],
    ['limits.ipv6PrefixBits', 'bits'],
    ['limits.upgradesPerSecond', 'upgrades'],
    ['limits.upgradesPerSecondPerIp', 'upgrades'],
    ['limits.messagesPerSecond', 'messages'],
    ['limits.pingsPerSecond', 'pings'],
    ['closedHistory', 'connections'],
  ];
  const bytes = [
    'backpressure.maxBufferedBytes',
    'backpressure.maxTotalBufferedBytes',
    'backpressure.minDrainBytesPerSecond',
  ];
  const flags = [
    'heartbeat.adaptive',
    'heartbeat.skipWhenActive',
    'tcp.keepAlive',
    'tcp.noDelay',
    'metrics.guarded',
    'health.notReadyAtCapacity',
    ...['eventLoop', 'heap', 'memory', 'cpu'].map(source => `load.source.${source}`),
  ];

  it.each<[string, unknown, string]>([
    ...durations.flatMap((key): [string, unknown, string][] =>
      [-1, 1000.5, '1000', null, true, 2 ** 31, {}, []].map(value => [key, value, times]),
    ),
    ...counts.flatMap(([key = '', unit]): [string, unknown, string][] =>
      [-1, 2.5, '3', null, 1e9, {}].map(value => [key, value, `whole number of ${unit}`]),
    ),
    ...bytes.flatMap((key): [string, unknown, string][] =>
      [-1, 2.5, '3', null, 2 ** 53].map(value => [key, value, 'whole number of bytes']),
    ),
    ['heartbeat.intervalMs', 199, 'from 200'],
    ['heartbeat.minIntervalMs', 199, 'from 200'],
    ['reaper.identifyTimeoutMs', 0, 'from 1'],
    ['limits.handshakeTimeoutMs', 0, 'from 1'],
    ['limits.ipv6PrefixBits', 0, 'from 1'],
    ['limits.ipv6PrefixBits', 129, 'to 128'],
    ['backpressure.slowAfterMs', 0, 'from 1'],
    ['limits.onUserLimit', 'replace', 'must be "refuse" or "replace-oldest"'],
    ['limits.refuseWith', 'https', 'must be "http" or "close"'],
    ['backpressure.policy', 'drop', 'must be "close" or "drop-newest"'],
    ...[4500, 1001, 1012, '1013', null].map((value): [string, unknown, string] => [
      'load.closeCode',
      value,
      'must be 1013 or 4006',
    ]),
    ...[4500, 1013, '1012', null].map((value): [string, unknown, string] => [
      'drain.closeCode',
      value,
      'must be 1001 or 1012',
    ]),
    ...['load.refuseAbove', 'load.shedAbove'].flatMap((key): [string, unknown, string][] =>
      [-0.1, 0, 0.19, 1.1, '0.5', null].map(value => [key, value, 'from 0.2 to 1']),
    ),
    ['metrics.prefix', '9ws', 'must be a prefix of Prometheus metric names'],
    ['metrics.prefix', '', 'must be a prefix of Prometheus metric names'],
    ['metrics.registry', {}, 'must be a registry of prom-client'],
    ...[
      'same_host',
      'https://app.example.com',
      null,
      ['https://app.example.com/'],
      ['https://app.example.com/chat'],
      ['https://*'],
      ['https://*.com'],
      ['https://app-*.example.com'],
      ['https://app.*.example.com'],
      ['https://*.*.example.com'],
      ['https://example.*'],
      ['https://*.0.0.1'],
      ['https://*.[::1]'],
      ['https://*..example.com'],
      ['https://*.example.com/'],
      ['*.example.com'],
      ['*://app.example.com'],
      ['https://app.example.com:99999'],
      ['https://app.example.com:x'],
      ['https://user@app.example.com'],
      ['https://a.example.com,https://b.example.com'],
      ['https://'],
      ['file:///index.html'],
      ['capacitor://localhost/'],
      ['chrome-extension://*'],
      [''],
      ['app.example.com'],
      ['https://app example.com'],
      [5],
    ].map((value): [string, unknown, string] => ['origins', value, 'must be "same-host" or a list such as']),
    ...['10.0.0.0/8', ['10.0.0.0/33'], ['proxy'], [''], [5]].map((value): [string, unknown, string] => [
      'trustedProxies',
      value,
      'must be a list of addresses and CIDRs',
    ]),
    ['authenticate', 'me', 'must be a function'],
    ['identityFromRequest', 'me', 'must be a function'],
    ['handshakeMiddleware', () => undefined, 'must be a list of functions'],
    ['handshakeMiddleware', ['cookieParser'], 'must be a list of functions'],
    ['heartbeat.pongTimeoutMs', 49, 'from 50'],
    ['heartbeat.missedPongs', 0, 'from 1'],
    ['limits.maxConnections', 0, 'from 1'],
    ['limits.maxInFlight', 0, 'from 1'],
    ['drain.closeTimeoutMs', 0, 'from 1'],
    ...flags.flatMap((key): [string, unknown, string][] =>
      [1, 'true', null].map(value => [key, value, 'must be true or false']),
    ),
    ['heartbeat.event', '', 'text of 1 to 100 characters'],
    ['heartbeat.event', 'x'.repeat(101), 'text of 1 to 100 characters'],
    ['heartbeat.event', 7, 'text of 1 to 100 characters'],
    ...[
      '',
      'x'.repeat(201),
      'a b',
      'a\n',
      '../a',
      'a/b',
      'a:b',
      'a*',
      'a?b',
      '{a}',
      'a%2e',
      'a,b',
      'knöten',
      'a\0',
      7,
      null,
    ].map((value): [string, unknown, string] => ['cluster.nodeName', value, 'text of 1 to 200 letters']),
    ...['', 'localhost:6379', 'http://redis', 'redis://', 'redis://h:6379/mydb', 'redis://:pa%ss@h', 5, null].map(
      (value): [string, unknown, string] => [
        'cluster.redisUrl',
        value,
        'must be a URL such as "redis://127.0.0.1:6379"',
      ],
    ),
    ...[{}, 'redis://127.0.0.1', null].map((value): [string, unknown, string] => [
      'cluster.client',
      value,
      'must be a client of @redis/client',
    ]),
    ...['', 'a b', '{x}', 'x'.repeat(101), 5].map((value): [string, unknown, string] => [
      'cluster.namespace',
      value,
      'must be a text of 1 to 100 letters',
    ]),
    ['cluster.leaseMs', 0, 'from 1'],
    ['cluster.requestTimeoutMs', 0, 'from 1'],
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
  ])('rejects %s: %p', (path, value, rule) => {
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

  it('names the default in the remedy', () => {
    expect(refusalOf({ heartbeat: { intervalMs: 'soon' } }).message).toBe(
      'HeartbeatModule cannot start, an option is wrong:\n' +
        '  - heartbeat.intervalMs is "soon" but must be a whole number of milliseconds from 200 to 2147483647: correct it, or leave it out for 25000',
    );
  });

  it('shows NaN as it is, since a missing variable becomes that', () => {
    expect(refusalOf({ heartbeat: { intervalMs: Number.NaN } }).message).toContain('heartbeat.intervalMs is NaN but');
  });
});
