import { freezeDeeply } from '../base/freeze-deeply.js';
import { ADMIN_DEFAULTS, ADMIN_RULES, type AdminOptions } from './admin.options.js';
import { BACKPRESSURE_DEFAULTS, BACKPRESSURE_RULES, type BackpressureOptions } from './backpressure.options.js';
import { group, whole } from './checkers.js';
import { CLUSTER_DEFAULTS, CLUSTER_RULES, type ClusterOptions } from './cluster.options.js';
import { DRAIN_DEFAULTS, DRAIN_RULES, type DrainOptions } from './drain.options.js';
import { GUARD_DEFAULTS, GUARD_RULES, type GuardOptions } from './guard.options.js';
import { HEALTH_DEFAULTS, HEALTH_RULES, type HealthOptions } from './health.options.js';
import { LIMIT_DEFAULTS, LIMIT_RULES, type LimitOptions } from './limits.options.js';
import { LIVENESS_DEFAULTS, LIVENESS_RULES, type LivenessOptions } from './liveness.options.js';
import { LOAD_DEFAULTS, LOAD_RULES, type LoadOptions, type LoadSources } from './load.options.js';
import { METRICS_DEFAULTS, METRICS_RULES, type MetricsOptions } from './metrics.options.js';
import { REAPER_DEFAULTS, REAPER_RULES, type ReaperOptions } from './reaper.options.js';
import { TCP_DEFAULTS, TCP_RULES, type TcpOptions } from './tcp.options.js';

/**
 * The options of the application, assembled from one file for each subject with its interface, defaults and rules. Durations are whole
 * milliseconds; the last line of each text is the default.
 */

/** All options, complete and frozen, as `resolveOptions` returns them. */
export interface ResolvedOptions extends GuardOptions {
  readonly heartbeat: Readonly<LivenessOptions>;
  readonly reaper: Readonly<ReaperOptions>;
  readonly limits: Readonly<LimitOptions>;
  readonly backpressure: Readonly<BackpressureOptions>;
  readonly tcp: Readonly<TcpOptions>;
  readonly load: Readonly<LoadOptions>;
  readonly metrics: Readonly<MetricsOptions>;
  readonly drain: Readonly<DrainOptions>;
  readonly admin: Readonly<AdminOptions>;
  readonly health: Readonly<HealthOptions>;
  readonly cluster: Readonly<ClusterOptions>;
  /**
   * Number of closed connections that are kept, with their flight records.
   * Default: 1000.
   */
  readonly closedHistory: number;
}

/** The options that a user passes: any part of all options. Unknown keys, impossible values and impossible pairs stop the start. */
export type HeartbeatOptions = {
  readonly [Key in Exclude<keyof ResolvedOptions, 'load'>]?: Key extends keyof GuardOptions | 'closedHistory'
    ? ResolvedOptions[Key]
    : Partial<ResolvedOptions[Key]>;
} & { readonly load?: Partial<Omit<LoadOptions, 'source'>> & { readonly source?: Partial<LoadSources> } };

export const DEFAULTS: ResolvedOptions = freezeDeeply({
  heartbeat: LIVENESS_DEFAULTS,
  reaper: REAPER_DEFAULTS,
  limits: LIMIT_DEFAULTS,
  backpressure: BACKPRESSURE_DEFAULTS,
  tcp: TCP_DEFAULTS,
  load: LOAD_DEFAULTS,
  metrics: METRICS_DEFAULTS,
  ...GUARD_DEFAULTS,
  drain: DRAIN_DEFAULTS,
  admin: ADMIN_DEFAULTS,
  health: HEALTH_DEFAULTS,
  cluster: CLUSTER_DEFAULTS,
  closedHistory: 1000,
});

/** Texts for messages, for defaults that a literal does not describe. */
export const DEFAULT_TEXTS: Readonly<Record<string, string>> = {
  'backpressure.maxTotalBufferedBytes': 'a quarter of the heap limit',
  'drain.spreadMs': '10 for each connection, at most 5000',
  'drain.workTimeoutMs': 'the lesser of 10000 and what delay, spread and close leave of deadlineMs',
  'metrics.registry': 'a separate registry',
  'cluster.redisUrl': 'a cluster of one node',
  'cluster.client': 'a cluster of one node',
  'cluster.nodeName': 'the host name',
  'admin.tokens': 'no token',
  hosts: 'every name',
  trustedProxies: 'no trusted proxy',
  authenticate: 'anonymous clients',
  handshakeMiddleware: 'no middleware',
  identityFromRequest: 'anonymous clients',
};

export const RULES = group<ResolvedOptions>({
  heartbeat: LIVENESS_RULES,
  reaper: REAPER_RULES,
  limits: LIMIT_RULES,
  backpressure: BACKPRESSURE_RULES,
  tcp: TCP_RULES,
  load: LOAD_RULES,
  metrics: METRICS_RULES,
  ...GUARD_RULES,
  drain: DRAIN_RULES,
  admin: ADMIN_RULES,
  health: HEALTH_RULES,
  cluster: CLUSTER_RULES,
  closedHistory: whole(0, 1_000_000, 'connections'),
});
