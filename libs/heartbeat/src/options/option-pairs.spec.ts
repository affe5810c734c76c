import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import type { HeartbeatOptions } from './heartbeat.options.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import { resolveOptions } from './resolve-options.js';

/** The problems of these options. */
function problemsOf(options: HeartbeatOptions) {
  try {
    resolveOptions(options);
  } catch (error) {
    if (error instanceof HeartbeatError) return error.problems;
    throw error;
  }
  return [];
}

const keysOf = (options: HeartbeatOptions) => problemsOf(options).map(({ key }) => key);

const interval = (minIntervalMs: number, intervalMs: number, maxIntervalMs: number, pongTimeoutMs = 1000) => ({
  heartbeat: { minIntervalMs, intervalMs, maxIntervalMs, pongTimeoutMs },
});
const drain = (readinessDelayMs: number, spreadMs: number, closeTimeoutMs: number, deadlineMs: number) => ({
  drain: { readinessDelayMs, spreadMs, closeTimeoutMs, deadlineMs },
});
/** A drain whose other times are 10 s together. */
const working = (deadlineMs: number, workTimeoutMs: number) => ({
  drain: { ...drain(3000, 5000, 2000, deadlineMs).drain, workTimeoutMs },
});

describe('pairs of options', () => {
  it.each<[string, HeartbeatOptions, string]>([
    ['minIntervalMs above intervalMs', interval(5001, 5000, 6000), 'heartbeat.minIntervalMs'],
    ['intervalMs above maxIntervalMs', interval(5000, 6001, 6000), 'heartbeat.maxIntervalMs'],
    [
      'intervalMs alone, above the default of maxIntervalMs',
      { heartbeat: { intervalMs: 45_001 } },
      'heartbeat.maxIntervalMs',
    ],
    ['pongTimeoutMs above minIntervalMs', interval(5000, 5000, 5000, 5001), 'heartbeat.pongTimeoutMs'],
    ['pongTimeoutMs at minIntervalMs', interval(5000, 5000, 5000, 5000), 'heartbeat.pongTimeoutMs'],
    ['a drain that is longer than its deadline', drain(3000, 5000, 2000, 9999), 'drain.deadlineMs'],
    ['a readiness delay alone that is longer than the deadline', drain(10_001, 0, 1, 10_000), 'drain.deadlineMs'],
    ['a spread alone that is longer than the deadline', drain(0, 10_001, 1, 10_000), 'drain.deadlineMs'],
    ['a close timeout alone that is longer than the deadline', drain(0, 0, 10_001, 10_000), 'drain.deadlineMs'],
    ['a work timeout beyond the rest of the deadline', working(10_000, 1), 'drain.workTimeoutMs'],
    [
      'a backlog that no message fits into',
      { backpressure: { maxBufferedBytes: 65_535 } },
      'backpressure.maxBufferedBytes',
    ],
    [
      'a message that fits into no backlog',
      { limits: { maxMessageBytes: 1_048_577 } },
      'backpressure.maxBufferedBytes',
    ],
    ['refuseAbove above shedAbove', { load: { refuseAbove: 0.98 } }, 'load.refuseAbove'],
    ['refuseAbove at shedAbove', { load: { refuseAbove: 0.5, shedAbove: 0.5 } }, 'load.refuseAbove'],
    ['a lease under three renewals', { cluster: { leaseMs: 2999 } }, 'cluster.leaseMs'],
    [
      'two ways to Redis',
      { cluster: { redisUrl: 'redis://127.0.0.1', client: { duplicate: () => ({}) } } },
      'cluster.client',
    ],
  ])('rejects %s', (_what, options, key) => {
    expect(keysOf(options)).toEqual([key]);
  });

  it.each<[string, HeartbeatOptions]>([
    ['three intervals alike, which is a fixed one', interval(5000, 5000, 5000)],
    ['a pongTimeoutMs just below minIntervalMs', interval(5000, 5000, 5000, 4999)],
    ['a drain that just fits', drain(3000, 5000, 2000, 10_000)],
    ['a work timeout that just fits', working(10_001, 1)],
    ['no wait for work', working(10_000, 0)],
    ['a backlog of one message', { backpressure: { maxBufferedBytes: 65_536 } }],
    ['refuseAbove just below shedAbove', { load: { refuseAbove: 0.5, shedAbove: 0.500001 } }],
    ['a lease of three renewals', { cluster: { leaseMs: 3000 } }],
    ['the defaults', {}],
  ])('accepts %s', (_what, options) => {
    expect(problemsOf(options)).toEqual([]);
  });

  it('are all reported at once', () => {
    const options = {
      ...interval(9000, 8000, 7000, 9000),
      ...drain(1, 1, 1, 2),
      backpressure: { maxBufferedBytes: 1 },
      load: { refuseAbove: 1, shedAbove: 0.5 },
    };
    expect(keysOf(options)).toEqual([
      'heartbeat.minIntervalMs',
      'heartbeat.maxIntervalMs',
      'heartbeat.pongTimeoutMs',
      'drain.deadlineMs',
      'backpressure.maxBufferedBytes',
      'load.refuseAbove',
    ]);
  });

  it('are reported with the value, the other keys and the remedy', () => {
    expect(problemsOf(drain(3000, 5000, 2000, 9999))).toEqual([
      expect.objectContaining({
        value: 9999,
        rule: 'must not be below drain.readinessDelayMs + drain.spreadMs + drain.closeTimeoutMs (3000 + 5000 + 2000 = 10000)',
        remedy: 'raise it, or lower one of the three',
      }),
    ]);
    expect(problemsOf(interval(15_000, 15_000, 15_000, 30_000))).toEqual([
      expect.objectContaining({
        value: 30_000,
        rule: 'must be below heartbeat.minIntervalMs (15000)',
        remedy: 'lower it, or raise minIntervalMs',
      }),
    ]);
  });

  it('are not checked where one of their values is impossible alone', () => {
    expect(keysOf({ heartbeat: { intervalMs: -1, minIntervalMs: 20_000 } })).toEqual(['heartbeat.intervalMs']);
    expect(keysOf({ drain: { spreadMs: 0.5, deadlineMs: 100 } })).toEqual(['drain.spreadMs']);
  });

  it('are rejected if and only if they could not keep the guarantees', () => {
    const anyMs = fc.integer({ min: 200, max: 220 });
    fc.assert(
      fc.property(anyMs, anyMs, anyMs, anyMs, (least, usual, most, timeout) => {
        const possible = least <= usual && usual <= most && timeout < least;
        expect(problemsOf(interval(least, usual, most, timeout)).length === 0).toBe(possible);
      }),
    );
  });
});
