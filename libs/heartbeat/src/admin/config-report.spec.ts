import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { LimitOverrides } from '../limits/limit-overrides.js';
import { liveLimitsOf } from '../node/live-limits.js';
import { givenKeys } from '../options/given-keys.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { configReport } from './config-report.js';

function itemOf(key: string, given: HeartbeatOptions, variables: Record<string, string> = {}) {
  const options = resolveOptions(given);
  const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
  const overrides = new LimitOverrides(options);
  const limits = liveLimitsOf(options);
  const report = configReport({ options, given: givenKeys(given), variables, limits, overrides, clock });
  return report.find(item => item.key === key);
}

describe('configReport', () => {
  it.each<[string, string]>([
    ['redis://127.0.0.1', 'redis://127.0.0.1'],
    ['rediss://user:secret@redis.example.com:6380/2', 'rediss://***@redis.example.com:6380/2'],
    ['redis://:secret@h', 'redis://***@h'],
    ['redis://h/0?password=secret#secret', 'redis://h/0'],
  ])('masks the credentials of %s', (redisUrl, shown) => {
    expect(itemOf('cluster.redisUrl', { cluster: { redisUrl } })?.value).toBe(shown);
  });

  it.each<[string, HeartbeatOptions, unknown]>([
    ['cluster.client', { cluster: { client: { duplicate: () => ({}) } } }, 'client'],
    ['metrics.registry', { metrics: { registry: new Registry() } }, 'registry'],
    ['identityFromRequest', { identityFromRequest: () => null }, 'function'],
    ['handshakeMiddleware', { handshakeMiddleware: [() => undefined] }, ['function']],
    ['metrics.prefix', { metrics: { prefix: 'p'.repeat(600) } }, `${'p'.repeat(500)}…`],
    ['drain.spreadMs', {}, null],
    ['load.source.cpu', { load: { source: { cpu: false } } }, false],
  ])('shows %s', (key, given, value) => {
    const item = itemOf(key, given);
    expect([item?.value, item?.source]).toEqual([value, Object.keys(given).length === 0 ? 'default' : 'option']);
  });

  it('names the variable of an option that the environment sets, and describes a default that no value has', () => {
    const variables = { 'drain.spreadMs': 'DRAIN_SPREAD_MS' };
    expect(itemOf('drain.spreadMs', { drain: { spreadMs: 7 } }, variables)).toEqual({
      key: 'drain.spreadMs',
      value: 7,
      default: '10 for each connection, at most 5000',
      source: 'environment',
      variable: 'DRAIN_SPREAD_MS',
    });
  });
});
