import type { Registry } from 'prom-client';

import type { ClusterOptions } from './cluster.options.js';
import type {
  Authenticate,
  BackpressureOptions,
  LimitOptions,
  LoadOptions,
  LoadSources,
  TcpOptions,
} from './guard.options.js';

/** The options of the application. Durations are whole milliseconds. The last line of each text is the default. */

/** Detection of dead connections: docs/guarantees.md, Liveness. */
export interface LivenessOptions {
  /**
   * A connection that is silent for this long is pinged. The interval in force starts at this value and follows the load.
   * Default: 25000, below the 60 s idle timeout of most proxies.
   */
  intervalMs: number;
  /**
   * Lower bound of the interval in force, on an idle node.
   * Default: 15000.
   */
  minIntervalMs: number;
  /**
   * Upper bound of the interval in force, on a busy node. The guarantee for the detection of dead connections is based on it.
   * Default: 45000.
   */
  maxIntervalMs: number;
  /**
   * Time for one pong. Must be below `minIntervalMs`.
   * Default: 10000.
   */
  pongTimeoutMs: number;
  /**
   * Unanswered pings after which the socket is destroyed, with the recorded code 4000.
   * Default: 2.
   */
  missedPongs: number;
  /**
   * Whether the interval in force follows the load, between its bounds.
   * Default: true.
   */
  adaptive: boolean;
  /**
   * Whether a connection that received bytes within the interval is not pinged.
   * Default: true.
   */
  skipWhenActive: boolean;
  /**
   * Event name of the application heartbeat, for clients that cannot see ping frames (browsers).
   * Default: `heartbeat`.
   */
  event: string;
}

/** The scheduled task. It closes connections that are idle or too old, and compares the registry with the sockets. */
export interface ReaperOptions {
  /**
   * Schedule: a cron expression of five or six fields; the first of six is the second.
   * Default: every ten seconds.
   */
  cron: string;
  /**
   * A connection without an application message in either direction for this long is closed with 4001. Heartbeats do not count. 0 is off.
   * Default: 0.
   */
  idleTimeoutMs: number;
  /**
   * An older connection is closed with 4002, so that long-lived clients are distributed over new nodes. 0 is off.
   * Default: 0.
   */
  maxLifetimeMs: number;
  /**
   * Fraction by which the lifetime of each connection differs, from 0 to 1: 0.1 is plus or minus a tenth.
   * Default: 0.1.
   */
  lifetimeJitter: number;
  /**
   * Time for `identify()` where `authenticate` returned `'deferred'`. Then the connection is closed with 4503.
   * Default: 10000.
   */
  identifyTimeoutMs: number;
}

/** The drain of all connections at a deploy. The first three together must not exceed `deadlineMs`. */
export interface DrainOptions {
  /**
   * New connections are still admitted for this long after readiness has failed, until the load balancer has noticed.
   * Default: 0.
   */
  readinessDelayMs: number;
  /**
   * The closes are spread over this time, each connection at its own random moment. A set value is not adapted.
   * Default: 10 for each connection, at most 5000, so that a few connections are closed at once.
   */
  spreadMs: number | undefined;
  /**
   * Time for a closing handshake before the socket is destroyed. It applies to every close, not only in a drain.
   * Default: 2000.
   */
  closeTimeoutMs: number;
  /**
   * The remaining connections are destroyed and counted then. The process ends at the latest one second later.
   * Default: 25000, below the 30 s of Kubernetes' `terminationGracePeriodSeconds`.
   */
  deadlineMs: number;
  /**
   * Each client receives a random delay from this window, after which it should reconnect.
   * Default: 10000.
   */
  returnWindowMs: number;
}

export interface MetricsOptions {
  /**
   * Whether a scrape needs the token of a viewer.
   * Default: false.
   */
  guarded: boolean;
  /**
   * Prefix of all metric names.
   * Default: `ws_`.
   */
  prefix: string;
  /**
   * The prom-client registry to use.
   * Default: a separate registry.
   */
  registry: Registry | undefined;
}

/** The role of an admin token: a `viewer` may read, an `operator` may do everything. */
export type AdminRole = 'viewer' | 'operator';

/** A token for the admin routes. */
export interface AdminToken {
  /** The secret, sent as `Authorization: Bearer <token>`. */
  token: string;
  role: AdminRole;
  /** The name of the operator in the audit trail; not secret. */
  name: string;
}

export interface AdminOptions {
  /**
   * The tokens that are accepted on the admin routes.
   * Default: none. Then every admin route responds with 401 and a problem that names the missing token.
   */
  tokens: readonly AdminToken[];
}

export interface HealthOptions {
  /**
   * Whether readiness is 503 from `maxConnections` until the number is under 95 % of it.
   * Default: true.
   */
  notReadyAtCapacity: boolean;
}

/** All options, complete and frozen, as `resolveOptions` returns them. */
export interface ResolvedOptions {
  readonly heartbeat: Readonly<LivenessOptions>;
  readonly reaper: Readonly<ReaperOptions>;
  readonly limits: Readonly<LimitOptions>;
  readonly backpressure: Readonly<BackpressureOptions>;
  readonly tcp: Readonly<TcpOptions>;
  readonly load: Readonly<LoadOptions>;
  readonly metrics: Readonly<MetricsOptions>;
  /**
   * The admitted browser origins: an origin that names the requested host, or a list such as `['https://app.example.com',
   * 'capacitor://localhost']`, of any scheme. In a list, `https://*.example.com` admits subdomains of one label, `null` pages of opaque
   * origin (sandboxed frames of any site, file pages), `*` all. A client without an Origin header is not a browser and passes.
   * Default: `same-host`.
   */
  readonly origins: 'same-host' | readonly string[];
  /**
   * The host names of this server, without ports. An upgrade with another Host header is refused with 403 `origin-refused`, a request for
   * metrics or the admin API with 421. Set it against DNS rebinding, where `origins` is `same-host` and plain HTTP is served.
   * Default: none, every name.
   */
  readonly hosts: readonly string[];
  /**
   * Addresses and CIDRs of the proxies whose `X-Forwarded-For` or `Forwarded` is trusted, in any spelling. `unix:` stands for the peers of
   * a Unix socket.
   * Default: none.
   */
  readonly trustedProxies: readonly string[];
  /**
   * The function that authenticates clients.
   * Default: all clients are anonymous.
   */
  readonly authenticate: Authenticate | undefined;
  readonly drain: Readonly<DrainOptions>;
  readonly admin: Readonly<AdminOptions>;
  readonly health: Readonly<HealthOptions>;
  readonly cluster: Readonly<ClusterOptions>;
  /**
   * The number of closed connections that are kept, with their flight records.
   * Default: 1000.
   */
  readonly closedHistory: number;
}

/** The options that a user passes: any part of all options. Unknown keys, impossible values and impossible pairs stop the start. */
export type HeartbeatOptions = {
  readonly [Group in Exclude<keyof ResolvedOptions, 'load'>]?: Group extends GroupName
    ? Partial<ResolvedOptions[Group]>
    : ResolvedOptions[Group];
} & { readonly load?: Partial<Omit<LoadOptions, 'source'>> & { readonly source?: Partial<LoadSources> } };

type GroupName = Exclude<
  keyof ResolvedOptions,
  'origins' | 'hosts' | 'trustedProxies' | 'authenticate' | 'closedHistory'
>;

/** The paths of the HTTP routes; `false` removes one. An extra: it is passed beside the options, never by a factory. */
export interface HeartbeatRoutes {
  /** Default: `/health`, with `/live`, `/ready` and `/startup` below it. */
  health: string | false;
  /** Default: `/metrics`. */
  metrics: string | false;
  /** Default: `/admin`. */
  admin: string | false;
}
