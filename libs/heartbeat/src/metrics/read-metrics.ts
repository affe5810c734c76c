import { countBusy, countByTransport } from '../connection/connection-counts.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { notReadyReasons } from '../connection/readiness.js';
import type { NodeState } from '../node/node-state.js';
import type { OutboundService } from '../flow/outbound.service.js';
import type { LoadService } from '../load/load.service.js';
import { VERSION } from '../base/version.js';
import { LOAD_SOURCES } from './label-values.js';
import { LiveBytes } from '../connection/live-bytes.js';
import type { MetricSet } from './metric-set.js';

/** The sources that are read at each scrape. */
export interface Sources {
  readonly node: NodeState;
  readonly connections: Pick<ConnectionService, 'all' | 'count' | 'openedCount'>;
  readonly outbound: Pick<OutboundService, 'bufferedBytes' | 'slowConsumers'>;
  readonly load: Pick<LoadService, 'bySource'>;
}

/** Adds the metrics that are read at each scrape. */
export function addReadMetrics(metrics: MetricSet, { node, connections, outbound, load }: Sources): void {
  const { totals } = node;
  const bytes = new LiveBytes(connections, totals.closed);
  metrics.gauge('connections', 'Connections that are open.', () => connections.count);
  metrics.gaugeBy('connections_by_transport', 'Connections that are open, by transport.', 'transport', () =>
    countByTransport(connections),
  );
  metrics.gauge('busy_connections', 'Connections with handlers in flight or leases in force.', () =>
    countBusy(connections),
  );
  metrics.gauge('connections_limit', 'limits.maxConnections of this node.', () => node.limits.maxConnections);
  metrics.gauge('ready', '1 while this node admits new connections, as GET /health/ready reports it, else 0.', () =>
    Number(notReadyReasons(node).length === 0),
  );
  metrics.readCounter('connections_opened_total', 'Connections that were opened.', () => connections.openedCount);
  metrics.readCounterByTwo(
    'connections_closed_total',
    'Connections that have ended, by the recorded close code and by the side that ended them.',
    ['code', 'by'],
    totals.closed.counts,
  );
  metrics.readHistogram(
    'connection_duration_seconds',
    'The duration of the connections that have ended.',
    totals.closed.durations,
  );
  metrics.gauge('buffered_bytes', 'Bytes that wait in this process for all connections.', () => outbound.bufferedBytes);
  metrics.gauge(
    'slow_consumers',
    'Connections with bytes waiting, below the minimum rate.',
    () => outbound.slowConsumers,
  );
  metrics.gauge('draining', '1 in a drain, else 0.', () => Number(node.draining));
  metrics.gauge('drain_remaining', 'Connections that a drain has not closed yet; 0 without one.', () =>
    node.draining ? connections.count : 0,
  );
  metrics.gauge(
    'drain_waiting',
    'Connections that a drain has reached, and for whose work it waits.',
    () => node.drainWaiting,
  );
  metrics.readCounter(
    'drain_work_timeouts_total',
    'Connections that a drain closed with unfinished work.',
    () => totals.drainWorkTimeouts,
  );
  metrics.gaugeBy('load_ratio', 'The load of this node, from 0 to 1.', 'source', () => loadRatios(load));
  metrics.gauge(
    'cluster_nodes',
    'Nodes with a valid lease, this one included; 1 without Redis, and while it is lost.',
    () => node.clusterNodes,
  );
  metrics.readCounterBy(
    'cluster_errors_total',
    'Failures with Redis or another node; also requests without a reply in time, and invalid messages.',
    'operation',
    () => totals.clusterErrors,
  );
  metrics.readCounterBy(
    'application_errors_total',
    'Errors and rejections of application code, by the kind of code.',
    'where',
    () => totals.applicationErrors,
  );
  metrics.readCounterBy(
    'admin_requests_refused_total',
    'Requests for the admin API, or for guarded metrics, that were refused before a handler.',
    'reason',
    () => totals.adminRefused,
  );
  metrics.gaugeBy('build_info', 'Always 1; the version of nestjs-heartbeat.', 'version', () => ({ [VERSION]: 1 }));

  metrics.gauge('heartbeat_interval_seconds', 'The interval in force.', () => node.intervalMs / 1000);
  metrics.readCounter('pings_sent_total', 'Pings that were sent.', () => totals.pingsSent);
  metrics.readCounter(
    'pings_skipped_total',
    'Pings that were not needed: bytes arrived within the interval.',
    () => totals.pingsSkipped,
  );
  metrics.readCounter('pongs_received_total', 'Pongs that answered a ping.', () => totals.pongsReceived);
  metrics.readCounter('pongs_missed_total', 'Pings that stayed unanswered for the timeout.', () => totals.pongsMissed);
  metrics.readHistogram('heartbeat_rtt_seconds', 'The time from a ping to its pong.', totals.rtt);
  metrics.readHistogram('heartbeat_lateness_seconds', 'The delay of a tick of the heartbeat.', totals.lateness);

  metrics.readCounter('reaper_runs_total', 'Runs of the scheduled task.', () => totals.reaperRuns.count);
  metrics.readHistogram('reaper_duration_seconds', 'The duration of a run of the scheduled task.', totals.reaperRuns);

  metrics.readCounterBy('messages_total', 'Application messages.', 'direction', () => ({
    in: totals.messagesIn,
    out: totals.messagesOut,
  }));
  metrics.readCounterBy(
    'bytes_total',
    'Bytes of the connections on their network sockets since the upgrade, frames and heartbeats included.',
    'direction',
    () => bytes.read(),
  );
}

/** The ratio of each source; 0 for a source that is switched off or was not read yet. */
function loadRatios({ bySource }: Pick<LoadService, 'bySource'>) {
  return Object.fromEntries(LOAD_SOURCES.map(source => [source, bySource.get(source) ?? 0]));
}
