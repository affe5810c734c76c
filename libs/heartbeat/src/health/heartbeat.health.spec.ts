import { beforeEach, describe, expect, it } from '@jest/globals';
import { HealthIndicatorService } from '@nestjs/terminus';

import type { ConnectionService } from '../connection/connection.service.js';
import { liveLimitsOf } from '../node/live-limits.js';
import type { NodeState } from '../node/node-state.js';
import type { HeartbeatService } from '../liveness/heartbeat.service.js';
import { DEFAULTS } from '../options/heartbeat.options.js';
import { HeartbeatHealthIndicator } from './heartbeat.health.js';

const node = {
  id: 'n-1',
  bootstrapped: true,
  load: { refusing: false },
  draining: false,
  atCapacity: false,
  clusterLost: false,
  options: DEFAULTS,
  limits: liveLimitsOf(DEFAULTS),
};
const connections = { count: 3 };
const heartbeat = { sinceTickMs: 40, intervalMs: 25_000 };

const health = new HeartbeatHealthIndicator(
  node as NodeState,
  connections as ConnectionService,
  heartbeat as HeartbeatService,
  new HealthIndicatorService(),
);
const nothing = async () => {};

beforeEach(() => {
  Object.assign(node, {
    bootstrapped: true,
    draining: false,
    atCapacity: false,
    clusterLost: false,
    options: DEFAULTS,
  });
  Object.assign(heartbeat, { sinceTickMs: 40 });
});

describe('live', () => {
  it('is up while the tick runs, regardless of other faults', async () => {
    Object.assign(node, { draining: true, atCapacity: true });
    expect(await health.live()).toEqual({ heartbeat: { status: 'up', sinceTickMs: 40, intervalMs: 25_000 } });
  });

  it('is up when the first tick after a stall runs before the second check', async () => {
    heartbeat.sinceTickMs = 60_000;
    const tick = async () => void (heartbeat.sinceTickMs = 10);
    expect(await health.live('heartbeat', tick)).toMatchObject({ heartbeat: { status: 'up', sinceTickMs: 10 } });
  });

  it('is down when there was no tick before the second check', async () => {
    heartbeat.sinceTickMs = 5001;
    expect(await health.live('heartbeat', nothing)).toMatchObject({
      heartbeat: { status: 'down', message: "the heartbeat's tick has stopped 5001 ms ago" },
    });
  });

  it('is up before the start, when there is no tick yet', async () => {
    Object.assign(node, { bootstrapped: false });
    heartbeat.sinceTickMs = 60_000;
    expect(await health.live('heartbeat', nothing)).toMatchObject({ heartbeat: { status: 'up' } });
  });
});

describe('ready', () => {
  it('is up, with the numbers of connections', () => {
    expect(health.ready()).toEqual({
      readiness: { status: 'up', node: 'n-1', connections: 3, maxConnections: 10_000 },
    });
  });

  it('is down while draining, with the number of connections that remain', () => {
    node.draining = true;
    expect(health.ready()).toMatchObject({ readiness: { status: 'down', reasons: ['draining'], remaining: 3 } });
  });

  it('is down at capacity', () => {
    node.atCapacity = true;
    expect(health.ready()).toMatchObject({ readiness: { status: 'down', reasons: ['at-capacity'] } });
  });

  it('is up at capacity where the option allows it', () => {
    Object.assign(node, { atCapacity: true, options: { ...DEFAULTS, health: { notReadyAtCapacity: false } } });
    expect(health.ready()).toMatchObject({ readiness: { status: 'up' } });
  });

  it('is degraded, and not down, while Redis is lost', () => {
    node.clusterLost = true;
    expect(health.ready()).toMatchObject({
      readiness: { status: 'degraded', message: expect.stringContaining('Redis') },
    });
    node.draining = true;
    expect(health.ready()).toMatchObject({ readiness: { status: 'down', reasons: ['draining'] } });
  });

  it('lists every reason', () => {
    Object.assign(node, { bootstrapped: false, draining: true, atCapacity: true });
    expect(health.ready('mine')).toMatchObject({
      mine: { status: 'down', message: 'starting, draining, at-capacity' },
    });
  });
});

describe('startup', () => {
  it('is down until the application has bootstrapped', () => {
    node.bootstrapped = false;
    expect(health.startup()).toEqual({ startup: { status: 'down', node: 'n-1', message: 'starting' } });
    node.bootstrapped = true;
    expect(health.startup()).toEqual({ startup: { status: 'up', node: 'n-1' } });
  });
});
