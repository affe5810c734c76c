import { hostname } from 'node:os';
import { getHeapStatistics } from 'node:v8';

import { freezeDeeply } from '../base/freeze-deeply.js';
import type { HeartbeatRoutes, ResolvedOptions } from './heartbeat.options.js';

/** The default of `drain.spreadMs` never exceeds this time, for any number of connections. */
export const LONGEST_DEFAULT_SPREAD_MS = 5000;

/** The defaults of all options. They are defined only here. */
export const DEFAULTS: ResolvedOptions = freezeDeeply({
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
    maxInFlight: 64,
    maxStreams: 64,
    messagesPerSecond: 0,
    pingsPerSecond: 10,
    refuseWith: 'http',
  },
  backpressure: {
    maxBufferedBytes: 1024 * 1024,
    maxTotalBufferedBytes: Math.floor(getHeapStatistics().heap_size_limit / 4),
    minDrainBytesPerSecond: 1024,
    slowAfterMs: 10_000,
    policy: 'close',
  },
  tcp: { keepAlive: true, keepAliveDelayMs: 60_000, noDelay: true },
  load: {
    refuseAbove: 0.9,
    shedAbove: 0.97,
    closeCode: 1013,
    source: { eventLoop: true, heap: true, memory: true, cpu: true },
  },
  metrics: { guarded: false, prefix: 'ws_', registry: undefined },
  origins: 'same-host',
  hosts: [],
  trustedProxies: [],
  authenticate: undefined,
  drain: { readinessDelayMs: 0, spreadMs: undefined, closeTimeoutMs: 2000, deadlineMs: 25_000, returnWindowMs: 10_000 },
  admin: { tokens: [] },
  health: { notReadyAtCapacity: true },
  cluster: {
    redisUrl: undefined,
    client: undefined,
    nodeName: nodeNameOf(hostname()),
    namespace: 'heartbeat',
    leaseMs: 15_000,
    requestTimeoutMs: 1000,
  },
  closedHistory: 1000,
});

/** Turns a host name into a node's name, which is part of ids, URLs, log lines and names of Redis channels. */
export function nodeNameOf(host: string): string {
  return host.replaceAll(/[^\w.-]/g, '-').slice(0, 200) || 'node';
}

/** Texts for messages, for defaults that a literal does not describe. */
export const DEFAULT_TEXTS: Readonly<Record<string, string>> = {
  'backpressure.maxTotalBufferedBytes': 'a quarter of the heap limit',
  'drain.spreadMs': '10 for each connection, at most 5000',
  'metrics.registry': 'a separate registry',
  'cluster.redisUrl': 'a cluster of one node',
  'cluster.client': 'a cluster of one node',
  'cluster.nodeName': 'the host name',
  'admin.tokens': 'no token',
  hosts: 'every name',
  trustedProxies: 'no trusted proxy',
  authenticate: 'anonymous clients',
};

export const DEFAULT_ROUTES: HeartbeatRoutes = Object.freeze({
  health: '/health',
  metrics: '/metrics',
  admin: '/admin',
});
