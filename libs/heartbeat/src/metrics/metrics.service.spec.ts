import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import type { ClosedBy } from '../protocol/close-code.js';
import type { ClosedRecord } from '../connection/history/closed-record.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { liveLimitsOf } from '../node/live-limits.js';
import type { NodeState } from '../node/node-state.js';
import { Totals } from '../node/totals.js';
import { DEFAULTS } from '../options/heartbeat.options.js';
import type { OutboundService } from '../flow/outbound.service.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { LoadService } from '../load/load.service.js';
import { VERSION } from '../base/version.js';
import { MetricsService } from './metrics.service.js';

const started: MetricsService[] = [];

function start(own: { registry?: Registry; prefix?: string } = {}) {
  const node = {
    options: { ...DEFAULTS, metrics: { ...DEFAULTS.metrics, ...own } },
    limits: liveLimitsOf(DEFAULTS),
    totals: new Totals(),
    intervalMs: 25_000,
    draining: false,
    drainWaiting: 0,
    clusterNodes: 1,
    bootstrapped: true,
    atCapacity: false,
    load: { refusing: false },
  };
  const living: { bytesIn: number; bytesOut: number }[] = [];
  const connections = { count: 3, openedCount: 0, all: () => living.values() };
  const outbound = { bufferedBytes: 0, slowConsumers: 0 };
  const load = { bySource: new Map() };
  const events = new HeartbeatEvents();
  const metrics = new MetricsService(
    node as unknown as NodeState,
    connections as unknown as ConnectionService,
    outbound as OutboundService,
    load as unknown as LoadService,
    events,
  );
  metrics.onApplicationBootstrap();
  started.push(metrics);
  const scrape = async () => (await metrics.expose(undefined)).body;
  const lines = async () => (await scrape()).split('\n').filter(line => line !== '' && !line.startsWith('#'));
  return { node, living, connections, outbound, load, events, metrics, scrape, lines };
}

const ended = (code: number, by: ClosedBy, durationMs: number) =>
  ({ closing: { code, reason: '', by }, durationMs, facts: { bytesIn: 0, bytesOut: 0 } }) as ClosedRecord;

beforeEach(() => {
  for (const metrics of started.splice(0)) metrics.onApplicationShutdown();
});

describe('MetricsService', () => {
  it('has every documented metric from the start, each with a help', async () => {
    const names = [...(await start().scrape()).matchAll(/^# HELP (\S+) \S.*\.\n# TYPE \1 (\w+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    expect(names.toSorted()).toEqual(
      [
        'ws_admin_requests_refused_total counter',
        'ws_application_errors_total counter',
        'ws_build_info gauge',
        'ws_buffered_bytes gauge',
        'ws_busy_connections gauge',
        'ws_bytes_total counter',
        'ws_cluster_errors_total counter',
        'ws_cluster_nodes gauge',
        'ws_connection_duration_seconds histogram',
        'ws_connections gauge',
        'ws_connections_by_transport gauge',
        'ws_connections_closed_total counter',
        'ws_connections_limit gauge',
        'ws_connections_opened_total counter',
        'ws_drain_remaining gauge',
        'ws_drain_waiting gauge',
        'ws_drain_work_timeouts_total counter',
        'ws_draining gauge',
        'ws_heartbeat_interval_seconds gauge',
        'ws_heartbeat_lateness_seconds histogram',
        'ws_heartbeat_rtt_seconds histogram',
        'ws_load_ratio gauge',
        'ws_messages_refused_total counter',
        'ws_messages_total counter',
        'ws_pings_sent_total counter',
        'ws_pings_skipped_total counter',
        'ws_pongs_missed_total counter',
        'ws_pongs_received_total counter',
        'ws_ready gauge',
        'ws_reaped_total counter',
        'ws_reaper_duration_seconds histogram',
        'ws_reaper_runs_total counter',
        'ws_registry_drift gauge',
        'ws_slow_consumers gauge',
        'ws_upgrades_refused_total counter',
      ].toSorted(),
    );
  });

  it('counts events', async () => {
    const { events, lines } = start();
    events.announce({ type: 'refused', status: 503, reason: 'at-capacity', ip: '::1' });
    events.announce({ type: 'reaped', id: 'a', reason: 'idle' });
    events.announce({ type: 'message-refused', id: 'a', reason: 'rate' });
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'ws_upgrades_refused_total{reason="at-capacity"} 1',
        'ws_upgrades_refused_total{reason="draining"} 0',
        'ws_reaped_total{reason="idle"} 1',
        'ws_messages_refused_total{reason="rate"} 1',
      ]),
    );
  });

  it('reads the limit, readiness, and refused admin requests by reason', async () => {
    const { node, lines } = start();
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'ws_connections_limit 10000',
        'ws_ready 1',
        'ws_admin_requests_refused_total{reason="forbidden"} 0',
      ]),
    );
    for (const reason of ['draining', 'atCapacity', 'starting', 'refusing']) {
      node.draining = reason === 'draining';
      node.atCapacity = reason === 'atCapacity';
      node.bootstrapped = reason !== 'starting';
      node.load.refusing = reason === 'refusing';
      expect(await lines()).toContain('ws_ready 0');
    }
    node.totals.adminRefused['too-many-failures'] += 3;
    expect(await lines()).toContain('ws_admin_requests_refused_total{reason="too-many-failures"} 3');
  });

  it('reads open connections by transport, each also where there is none', async () => {
    const { connections, lines } = start();
    const open = ['ws', 'socket.io', 'ws'].map(transport => ({ transport, bytesIn: 0, bytesOut: 0 }));
    Object.assign(connections, { all: () => open.values() });
    expect((await lines()).filter(line => line.startsWith('ws_connections_by_transport'))).toEqual([
      'ws_connections_by_transport{transport="ws"} 2',
      'ws_connections_by_transport{transport="socket.io"} 1',
      'ws_connections_by_transport{transport="graphql-ws"} 0',
      'ws_connections_by_transport{transport="other"} 0',
    ]);
  });

  it('reads how connections ended, with or without an event', async () => {
    const { node, lines } = start();
    node.totals.closed.add(ended(4001, 'server', 2000));
    node.totals.closed.add(ended(3999, 'client', 90_000));
    const shown = [
      'ws_connections_closed_total{code="4001",by="server"} 1',
      'ws_connections_closed_total{code="other",by="client"} 1',
      'ws_connections_closed_total{code="4500",by="operator"} 0',
      'ws_connection_duration_seconds_bucket{le="1"} 0',
      'ws_connection_duration_seconds_bucket{le="5"} 1',
      'ws_connection_duration_seconds_sum 92',
      'ws_connection_duration_seconds_count 2',
    ];
    expect(await lines()).toEqual(expect.arrayContaining(shown));
    expect(await lines()).toEqual(expect.arrayContaining(shown));
  });

  it('reads current values at each scrape', async () => {
    const { node, connections, outbound, load, lines } = start();
    Object.assign(connections, { count: 7, openedCount: 9 });
    Object.assign(outbound, { bufferedBytes: 4096, slowConsumers: 2 });
    Object.assign(node, { intervalMs: 31_250, draining: true });
    Object.assign(node.totals, { pingsSent: 5, pingsSkipped: 4, pongsReceived: 3, pongsMissed: 2 });
    Object.assign(node.totals, { messagesIn: 10, messagesOut: 11 });
    load.bySource.set('cpu', 0.4);
    node.totals.rtt.record(0.004);
    node.totals.reaperRuns.record(0.02);
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'ws_connections 7',
        'ws_connections_opened_total 9',
        'ws_buffered_bytes 4096',
        'ws_slow_consumers 2',
        'ws_heartbeat_interval_seconds 31.25',
        'ws_draining 1',
        'ws_drain_remaining 7',
        'ws_pings_sent_total 5',
        'ws_pings_skipped_total 4',
        'ws_pongs_received_total 3',
        'ws_pongs_missed_total 2',
        'ws_messages_total{direction="in"} 10',
        'ws_messages_total{direction="out"} 11',
        'ws_load_ratio{source="cpu"} 0.4',
        'ws_load_ratio{source="heap"} 0',
        'ws_heartbeat_rtt_seconds_bucket{le="0.005"} 1',
        'ws_reaper_runs_total 1',
        'ws_reaper_duration_seconds_sum 0.02',
        `ws_build_info{version="${VERSION}"} 1`,
      ]),
    );
  });

  it('shows 0 remaining connections without a drain', async () => {
    expect(await start().lines()).toEqual(
      expect.arrayContaining(['ws_connections 3', 'ws_draining 0', 'ws_drain_remaining 0']),
    );
  });

  it('adds the bytes of open connections to those of closed ones', async () => {
    const { living, node, lines } = start();
    living.push({ bytesIn: 100, bytesOut: 10 });
    Object.assign(node.totals.closed, { bytesIn: 23, bytesOut: 4 });
    expect(await lines()).toEqual(
      expect.arrayContaining(['ws_bytes_total{direction="in"} 123', 'ws_bytes_total{direction="out"} 14']),
    );
  });

  it('adds up corrected entries, and shows the size of growing collections', async () => {
    const { events, lines } = start();
    for (const count of [2, 3]) {
      events.announce({ type: 'drift', kind: 'registry', count });
      events.announce({ type: 'drift', kind: 'retained', count });
    }
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'ws_registry_drift{kind="registry"} 5',
        'ws_registry_drift{kind="retained"} 3',
        'ws_registry_drift{kind="socket"} 0',
      ]),
    );
  });

  it('has the same number of series after 10,000 different users, paths, agents and close codes', async () => {
    const { node, events, lines } = start();
    const series = async () => (await lines()).map(line => line.slice(0, line.lastIndexOf(' ')));
    const before = await series();
    for (let i = 0; i < 10_000; i++) {
      events.announce({ type: 'opened', id: `id-${i}`, path: `/path/${i}`, ip: `10.0.${i >> 8}.${i & 255}` });
      node.totals.closed.add(ended(i, 'client', 1));
      events.announce({ type: 'refused', status: 404, reason: `made up ${i}` as 'banned', ip: '::1' });
      events.announce({ type: 'message-refused', id: `id-${i}`, reason: `made up ${i}` as 'rate' });
    }
    expect(await series()).toEqual(before);
    expect(await lines()).toContain('ws_connection_duration_seconds_count 10000');
  });

  it('prefixes all names', async () => {
    const { lines } = start({ prefix: 'chat_' });
    expect((await lines()).filter(line => !line.startsWith('chat_'))).toEqual([]);
  });

  it('uses the app’s registry beside its other metrics, and unregisters at the end', async () => {
    const registry = new Registry();
    const first = start({ registry });
    const second = start({ registry, prefix: 'other_' });
    expect(first.metrics.registry).toBe(registry);
    expect(await registry.metrics()).toMatch(/^ws_connections 3$[^]*^other_connections 3$/m);
    first.metrics.onApplicationShutdown();
    expect(await registry.metrics()).not.toMatch(/^ws_/m);
    second.metrics.onApplicationShutdown();
    expect(registry.getMetricsAsArray()).toEqual([]);
    expect(() => start({ registry })).not.toThrow();
  });

  it('has a registry of its own by default, so that two nodes in a process do not share counts', async () => {
    const [first, second] = [start(), start()];
    first.events.announce({ type: 'reaped', id: 'a', reason: 'idle' });
    expect(await first.lines()).toContain('ws_reaped_total{reason="idle"} 1');
    expect(await second.lines()).toContain('ws_reaped_total{reason="idle"} 0');
  });

  it('counts nothing after the shutdown', async () => {
    const { metrics, events } = start();
    const reaped = metrics.registry.getSingleMetric('ws_reaped_total')!;
    const count = async () => (await reaped.get()).values.find(({ labels }) => labels.reason === 'idle')?.value;
    events.announce({ type: 'reaped', id: 'a', reason: 'idle' });
    metrics.onApplicationShutdown();
    events.announce({ type: 'reaped', id: 'b', reason: 'idle' });
    expect(await count()).toBe(1);
  });
});
