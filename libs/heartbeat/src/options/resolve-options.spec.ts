import { hostname } from 'node:os';
import { getHeapStatistics } from 'node:v8';

import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import type { HeartbeatOptions } from './heartbeat.options.js';
import { DEFAULT_ROUTES } from './extras.js';
import { DEFAULTS } from './heartbeat.options.js';
import { resolveOptions } from './resolve-options.js';
import { optionsWith, operator } from '../../../../test/support/given-options.js';

describe('resolveOptions', () => {
  it('uses the documented defaults', () => {
    const defaults = {
      heartbeat: {
        intervalMs: 25_000,
        minIntervalMs: 15_000,
        maxIntervalMs: 45_000,
        pongTimeoutMs: 10_000,
        missedPongs: 2,
        adaptive: true,
        skipWhenActive: true,
        event: 'heartbeat',
      },
      reaper: {
        cron: '*/10 * * * * *',
        idleTimeoutMs: 0,
        maxLifetimeMs: 0,
        lifetimeJitter: 0.1,
        identifyTimeoutMs: 10_000,
      },
      limits: {
        maxConnections: 10_000,
        maxPerIp: 0,
        ipv6PrefixBits: 64,
        maxPerUser: 0,
        onUserLimit: 'refuse',
        upgradesPerSecond: 0,
        upgradesPerSecondPerIp: 0,
        handshakeTimeoutMs: 10_000,
        maxMessageBytes: 65_536,
        maxFragments: 1024,
        messageTimeoutMs: 10_000,
        messagesPerSecond: 0,
        pingsPerSecond: 10,
        maxInFlight: 64,
        maxStreams: 64,
        refuseWith: 'http',
      },
      backpressure: {
        maxBufferedBytes: 1_048_576,
        maxTotalBufferedBytes: Math.floor(getHeapStatistics().heap_size_limit / 4),
        minDrainBytesPerSecond: 1024,
        slowAfterMs: 10_000,
        policy: 'close',
      },
      origins: 'same-host',
      hosts: [],
      trustedProxies: [],
      handshakeMiddleware: [],
      tcp: { keepAlive: true, keepAliveDelayMs: 60_000, noDelay: true },
      load: {
        refuseAbove: 0.9,
        shedAbove: 0.97,
        closeCode: 1013,
        source: { eventLoop: true, heap: true, memory: true, cpu: true },
      },
      metrics: { guarded: false, prefix: 'ws_' },
      drain: {
        readinessDelayMs: 0,
        spreadMs: undefined,
        closeTimeoutMs: 2000,
        workTimeoutMs: undefined,
        deadlineMs: 25_000,
        returnWindowMs: 10_000,
        closeCode: 1001,
      },
      admin: { tokens: [] },
      health: { notReadyAtCapacity: true },
      cluster: {
        redisUrl: undefined,
        client: undefined,
        nodeName: hostname(),
        namespace: 'heartbeat',
        leaseMs: 15_000,
        requestTimeoutMs: 1000,
      },
      closedHistory: 1000,
    };
    expect(resolveOptions()).toEqual(defaults);
    expect(DEFAULTS).toEqual(defaults);
    expect(DEFAULT_ROUTES).toEqual({ health: '/health', metrics: '/metrics', admin: '/admin' });
  });

  it('merges the given options into the defaults, key by key', () => {
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

  it('treats undefined as not given, for a group and for a key', () => {
    expect(resolveOptions({ heartbeat: undefined, drain: { spreadMs: undefined } })).toEqual(DEFAULTS);
  });

  it('freezes the complete result', () => {
    const isFrozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
    expect(isFrozen(resolveOptions())).toBe(true);
    expect(isFrozen(resolveOptions({ admin: { tokens: [{ ...operator }] }, reaper: { idleTimeoutMs: 5 } }))).toBe(true);
  });

  it.each([
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
    ['cluster.nodeName', 'ip-10-0-0-7.eu-west-1.compute_internal'],
    ['cluster.nodeName', 'x'.repeat(200)],
    ...['-', '.', '..', '_', '7', 'a.b.00000001', '__proto__'].map((name): [string, unknown] => [
      'cluster.nodeName',
      name,
    ]),
    ['cluster.redisUrl', 'redis://127.0.0.1'],
    ['cluster.redisUrl', 'rediss://user:pass@redis.example.com:6380/2'],
    ['cluster.client', { duplicate: () => ({}) }],
    ['cluster.namespace', 'a:b_c-d.1'],
    ['cluster.leaseMs', 3000],
    ['cluster.requestTimeoutMs', 1],
    ['heartbeat.adaptive', false],
    ['heartbeat.minIntervalMs', 25_000],
    ['heartbeat.maxIntervalMs', 25_000],
    ['reaper.identifyTimeoutMs', 1],
    ['limits.maxPerIp', 1],
    ['limits.ipv6PrefixBits', 128],
    ['limits.ipv6PrefixBits', 1],
    ['limits.onUserLimit', 'replace-oldest'],
    ['limits.pingsPerSecond', 0],
    ['limits.refuseWith', 'close'],
    ['backpressure.policy', 'drop-newest'],
    ['backpressure.minDrainBytesPerSecond', 0],
    ['tcp.keepAlive', false],
    ['tcp.keepAliveDelayMs', 0],
    ['load.source.cpu', false],
    ['metrics.prefix', 'app:ws_'],
    ['origins', ['https://app.example.com', 'http://localhost:5173', 'null']],
    ['origins', ['*']],
    ['origins', ['HTTPS://App.Example.com:443', 'https://bücher.example', 'http://[::1]:5173']],
    ['origins', ['capacitor://localhost', 'file://', 'chrome-extension://abcdefghijklmnop', 'app://obsidian.md']],
    ['origins', ['https://*.example.com', 'http://*.localhost:3000', 'https://*.example.com:8443']],
    ['trustedProxies', ['unix:', '2001:DB8::/32', '0:0:0:0:0:0:0:1', '::ffff:10.0.0.0/104']],
    ['origins', []],
    ['trustedProxies', ['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8']],
  ])('accepts %s: %j', (path, value) => {
    const given = optionsWith(path, value) as HeartbeatOptions;
    expect(resolveOptions(given)).toMatchObject(given);
  });

  it('accepts the shortest possible interval', () => {
    const given = { heartbeat: { intervalMs: 200, minIntervalMs: 200, maxIntervalMs: 200, pongTimeoutMs: 199 } };
    expect(resolveOptions(given)).toMatchObject(given);
  });

  it('accepts a function for authenticate, and a registry of prom-client', () => {
    const [authenticate, registry] = [() => null, new Registry()];
    const { metrics, ...options } = resolveOptions({ authenticate, metrics: { registry } });
    expect([options.authenticate, metrics.registry]).toEqual([authenticate, registry]);
  });
});
