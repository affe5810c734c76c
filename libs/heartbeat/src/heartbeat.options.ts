/** The application's options: one documented place. Durations are whole milliseconds; the last line of each text is the default. */

/** Finding dead connections (contract, section 3). */
export interface LivenessOptions {
  /**
   * A connection that was silent this long is pinged.
   * Default: 25000, below the 60 s idle timeout of most proxies.
   */
  intervalMs: number;
  /**
   * How long one ping may stay unanswered; must be below `intervalMs`.
   * Default: 10000.
   */
  pongTimeoutMs: number;
  /**
   * After so many unanswered pings the socket is destroyed and 4000 is recorded.
   * Default: 2.
   */
  missedPongs: number;
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
}

/** What one node and one connection may take. */
export interface LimitOptions {
  /**
   * Connections on this node; further upgrades are answered 503 `at-capacity`.
   * Default: 10000.
   */
  maxConnections: number;
  /**
   * Bytes of one message, after inflation too; a larger one is closed with 1009 (RFC 6455, section 7.4.1).
   * Default: 65536.
   */
  maxMessageBytes: number;
  /**
   * Fragments of one message; more are closed with 1008.
   * Default: 1024.
   */
  maxFragments: number;
  /**
   * How long a message may stay unfinished before its sender is closed with 4004. 0 is off.
   * Default: 10000.
   */
  messageTimeoutMs: number;
  /**
   * Message handlers that run at once for one connection; beyond, its socket is not read until one has ended.
   * Default: 64.
   */
  maxInFlight: number;
}

/** How everybody is sent away at a deploy. The first three together must fit into `deadlineMs`. */
export interface DrainOptions {
  /**
   * Newcomers are still served this long after readiness went 503, until the load balancer has heard of it.
   * Default: 0.
   */
  readinessDelayMs: number;
  /**
   * The goodbyes are spread over this time, each connection at its own random moment.
   * Default: 5000.
   */
  spreadMs: number;
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

export interface ClusterOptions {
  /**
   * The node's name; its id is the name and a random part for each boot.
   * Default: the host name.
   */
  nodeName: string;
}

/** All options, complete and frozen: what `resolveOptions` makes and the services read. */
export interface ResolvedOptions {
  readonly heartbeat: Readonly<LivenessOptions>;
  readonly reaper: Readonly<ReaperOptions>;
  readonly limits: Readonly<LimitOptions>;
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
  readonly [Group in keyof ResolvedOptions]?: ResolvedOptions[Group] extends object
    ? Partial<ResolvedOptions[Group]>
    : ResolvedOptions[Group];
};

/** The paths of the HTTP routes; `false` leaves one out. An extra: given beside the options, never by a factory. */
export interface HeartbeatRoutes {
  /** Default: `/health`, with `/live`, `/ready` and `/startup` below it. */
  health: string | false;
  /** Default: `/admin`. */
  admin: string | false;
}
