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

/** The application's options: one documented place. Durations are whole milliseconds; the last line of each text is the default. */

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
   * Upper bound of the interval in force, on a busy node; the bound for a dead peer includes it.
   * Default: 45000.
   */
  maxIntervalMs: number;
  /**
   * Time for one pong; must be below `minIntervalMs`.
   * Default: 10000.
   */
  pongTimeoutMs: number;
  /**
   * Unanswered pings after which the socket is destroyed and 4000 is recorded.
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
   * The event name of the application heartbeat, for clients that cannot see ping frames (browsers).
   * Default: `heartbeat`.
   */
  event: string;
}

/** The scheduled task that closes idle and over-age connections, and verifies the registry. */
export interface ReaperOptions {
  /**
   * When it runs: a cron expression of five or six fields, seconds first when six.
   * Default: every ten seconds.
   */
  cron: string;
  /**
   * A connection without an application message in either direction for this long is closed with 4001; heartbeats do not count. 0 is off.
   * Default: 0.
   */
  idleTimeoutMs: number;
  /**
   * A connection older than this is closed with 4002, so that long-lived clients spread over new nodes. 0 is off.
   * Default: 0.
   */
  maxLifetimeMs: number;
  /**
   * The share by which each connection's own lifetime differs, from 0 to 1: 0.1 is plus or minus a tenth.
   * Default: 0.1.
   */
  lifetimeJitter: number;
  /**
   * A connection whose authentication was deferred is closed with 4503 unless it was identified within this time.
   * Default: 10000.
   */
  identifyTimeoutMs: number;
}

/** The close of all connections at a deploy. The first three together must fit into `deadlineMs`. */
export interface DrainOptions {
  /**
   * New connections are still admitted for this long after readiness has failed, until the load balancer has noticed.
   * Default: 0.
   */
  readinessDelayMs: number;
  /**
   * The closes are spread over this time, each connection at its own random time. A set value is used as set.
   * Default: 10 for each connection, at most 5000, so that a few connections are closed at once.
   */
  spreadMs: number | undefined;
  /**
   * How long a closing handshake may take before the socket is destroyed; holds for every close, not only in a drain.
   * Default: 2000.
   */
  closeTimeoutMs: number;
  /**
   * Remaining connections are destroyed and counted; the process ends at the latest one second later.
   * Default: 25000, below the 30 s of Kubernetes' `terminationGracePeriodSeconds`.
   */
  deadlineMs: number;
  /**
   * Window from which each advised reconnect delay is drawn, so that clients reconnect spread over time.
   * Default: 10000.
   */
  returnWindowMs: number;
}

export interface MetricsOptions {
  /**
   * Whether a scrape needs a viewer's token.
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
   * Default: a separate one.
   */
  registry: Registry | undefined;
}

/** The role of an admin token: a `viewer` may read, an `operator` may use every method. */
export type AdminRole = 'viewer' | 'operator';

/** A token for the admin routes. */
export interface AdminToken {
  /** The secret, sent as `Authorization: Bearer <token>`. */
  token: string;
  role: AdminRole;
  /** Its name in the audit log; never secret. */
  name: string;
}

export interface AdminOptions {
  /**
   * Tokens for the admin routes.
   * Default: none; every admin route then returns 401 and reports that no token is configured.
   */
  tokens: readonly AdminToken[];
}

export interface HealthOptions {
  /**
   * Whether readiness is 503 from `maxConnections` until under 95 % of it.
   * Default: true.
   */
  notReadyAtCapacity: boolean;
}

/** All options, complete and frozen: the result of `resolveOptions`, which the services read. */
export interface ResolvedOptions {
  readonly heartbeat: Readonly<LivenessOptions>;
  readonly reaper: Readonly<ReaperOptions>;
  readonly limits: Readonly<LimitOptions>;
  readonly backpressure: Readonly<BackpressureOptions>;
  readonly tcp: Readonly<TcpOptions>;
  readonly load: Readonly<LoadOptions>;
  readonly metrics: Readonly<MetricsOptions>;
  /**
   * The browser origins that are admitted: those that name the host that they request, or a list such as
   * `['https://app.example.com', 'capacitor://localhost']`, of any scheme. `https://*.example.com` admits subdomains of one label, `null`
   * pages with an opaque origin (sandboxed frames of any site, file pages), `*` all. A client without an Origin header is no browser and
   * passes.
   * Default: `same-host`.
   */
  readonly origins: 'same-host' | readonly string[];
  /**
   * Host names that the server serves, without ports: an upgrade with another Host header is answered 403 `origin-refused`, and a
   * request with another name for metrics or the admin API 421. Against DNS rebinding, where `origins` is `same-host` and plain HTTP
   * is served.
   * Default: none given, every name.
   */
  readonly hosts: readonly string[];
  /**
   * Addresses and CIDRs of the proxies whose `X-Forwarded-For` or `Forwarded` is trusted, in any spelling; `unix:` names the peers of a
   * Unix socket.
   * Default: none.
   */
  readonly trustedProxies: readonly string[];
  /**
   * Authenticates clients.
   * Default: every client is anonymous.
   */
  readonly authenticate: Authenticate | undefined;
  readonly drain: Readonly<DrainOptions>;
  readonly admin: Readonly<AdminOptions>;
  readonly health: Readonly<HealthOptions>;
  readonly cluster: Readonly<ClusterOptions>;
  /**
   * Closed connections that are kept, with their flight records.
   * Default: 1000.
   */
  readonly closedHistory: number;
}

/** Any part of the options. Unknown keys, impossible values and impossible pairs stop the start. */
export type HeartbeatOptions = {
  readonly [Group in Exclude<keyof ResolvedOptions, 'load'>]?: Group extends GroupName
    ? Partial<ResolvedOptions[Group]>
    : ResolvedOptions[Group];
} & { readonly load?: Partial<Omit<LoadOptions, 'source'>> & { readonly source?: Partial<LoadSources> } };

type GroupName = Exclude<
  keyof ResolvedOptions,
  'origins' | 'hosts' | 'trustedProxies' | 'authenticate' | 'closedHistory'
>;

/** The paths of the HTTP routes; `false` leaves one out. An extra: given beside the options, never by a factory. */
export interface HeartbeatRoutes {
  /** Default: `/health`, with `/live`, `/ready` and `/startup` below it. */
  health: string | false;
  /** Default: `/metrics`. */
  metrics: string | false;
  /** Default: `/admin`. */
  admin: string | false;
}
