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
   * A connection that was silent this long is pinged; the interval in force begins here and moves with the load.
   * Default: 25000, below the 60 s idle timeout of most proxies.
   */
  intervalMs: number;
  /**
   * The shortest interval that an idle node may come down to.
   * Default: 15000.
   */
  minIntervalMs: number;
  /**
   * The longest interval that a busy node may go up to; the promise of finding the dead counts with it.
   * Default: 45000.
   */
  maxIntervalMs: number;
  /**
   * How long one ping may stay unanswered; must be below `minIntervalMs`.
   * Default: 10000.
   */
  pongTimeoutMs: number;
  /**
   * After so many unanswered pings the socket is destroyed and 4000 is recorded.
   * Default: 2.
   */
  missedPongs: number;
  /**
   * Whether the interval in force moves with the load, between its bounds.
   * Default: true.
   */
  adaptive: boolean;
  /**
   * Whether a connection that received anything within the interval is spared its ping.
   * Default: true.
   */
  skipWhenActive: boolean;
  /**
   * The event name of the application heartbeat, for clients that cannot see ping frames (browsers).
   * Default: `heartbeat`.
   */
  event: string;
}

/** The scheduled task that closes what is idle or too old, and checks the books. */
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

/** How everybody is sent away at a deploy. The first three together must fit into `deadlineMs`. */
export interface DrainOptions {
  /**
   * Newcomers are still served this long after readiness went 503, until the load balancer has heard of it.
   * Default: 0.
   */
  readinessDelayMs: number;
  /**
   * The closes are spread over this time, each connection at its own random moment. A set value is used as set.
   * Default: 10 for each connection, at most 5000, so that a handful of connections is closed at once.
   */
  spreadMs: number | undefined;
  /**
   * How long a closing handshake may take before the socket is destroyed; holds for every close, not only in a drain.
   * Default: 2000.
   */
  closeTimeoutMs: number;
  /**
   * Whoever is left then is destroyed and counted; the process ends at the latest one second later.
   * Default: 25000, below the 30 s of Kubernetes' `terminationGracePeriodSeconds`.
   */
  deadlineMs: number;
  /**
   * Each client is advised to come back after a delay drawn from this window, so that they come back spread out.
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
   * What all names begin with.
   * Default: `ws_`.
   */
  prefix: string;
  /**
   * The prom-client registry to use.
   * Default: one of our own.
   */
  registry: Registry | undefined;
}

/** What an admin token may do: a `viewer` may read, an `operator` may do all. */
export type AdminRole = 'viewer' | 'operator';

/** Somebody who may use the admin routes. */
export interface AdminToken {
  /** The secret, sent as `Authorization: Bearer <token>`. */
  token: string;
  role: AdminRole;
  /** Who it is, for the audit trail; never secret. */
  name: string;
}

export interface AdminOptions {
  /**
   * Who may use the admin routes.
   * Default: none; every admin route then answers 401 and says that no token is configured.
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

/** All options, complete and frozen: what `resolveOptions` makes and the services read. */
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
   * Host names that the server answers to, without ports: an upgrade with another Host header is answered 403 `origin-refused`, and a
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
   * Who may come in.
   * Default: everybody is anonymous.
   */
  readonly authenticate: Authenticate | undefined;
  readonly drain: Readonly<DrainOptions>;
  readonly admin: Readonly<AdminOptions>;
  readonly health: Readonly<HealthOptions>;
  readonly cluster: Readonly<ClusterOptions>;
  /**
   * How many closed connections are remembered, with their flight records.
   * Default: 1000.
   */
  readonly closedHistory: number;
}

/** What a user gives: any part of the options. Unknown keys, impossible values and impossible pairs stop the start. */
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
