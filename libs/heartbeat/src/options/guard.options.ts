import type { IncomingMessage } from 'node:http';

import type { Authentication } from '../base/identity.js';

/** The options of admission and flow: authentication, limits, backpressure and load. */

/** Limits of one node and of one connection. */
export interface LimitOptions {
  /**
   * Connections on this node; further upgrades are answered 503 `at-capacity`.
   * Default: 10000.
   */
  maxConnections: number;
  /**
   * Connections of one client address, which for IPv6 is its /64; further upgrades are answered 429 `ip-limit`. 0 is off.
   * Default: 0.
   */
  maxPerIp: number;
  /**
   * The bits of an IPv6 address that make one client for the limits.
   * Default: 64, which is what one household or host usually has.
   */
  ipv6PrefixBits: number;
  /**
   * Connections of one user, over all nodes of the cluster; while Redis is lost, each node applies the limit alone. 0 is off.
   * Default: 0.
   */
  maxPerUser: number;
  /**
   * At `maxPerUser` the upgrade is refused (429 `user-limit`), or the user's oldest connection is closed with 4502.
   * Default: `refuse`.
   */
  onUserLimit: 'refuse' | 'replace-oldest';
  /**
   * Upgrades of all clients in a second, with bursts of as many; more are answered 429 `upgrade-rate`. 0 is off.
   * Default: 0.
   */
  upgradesPerSecond: number;
  /**
   * The same for one client address.
   * Default: 0.
   */
  upgradesPerSecondPerIp: number;
  /**
   * How long `authenticate` may take before its client is refused.
   * Default: 10000.
   */
  handshakeTimeoutMs: number;
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
  /**
   * Observables that handlers of one connection have returned and that have not ended; one more is not subscribed, and is answered
   * with an exception event.
   * Default: 64.
   */
  maxStreams: number;
  /**
   * Messages of one connection in a second; more close it with 4004. 0 is off.
   * Default: 0.
   */
  messagesPerSecond: number;
  /**
   * Pings of one connection in a second; more close it with 4004. 0 is off.
   * Default: 10.
   */
  pingsPerSecond: number;
  /**
   * How a client is refused: by an HTTP answer, or by a finished upgrade and a close code, for browsers, which cannot see HTTP
   * answers to an upgrade. Bad upgrades and unknown paths are always answered by HTTP, and so are all while 1000 refused clients are being closed.
   * Default: `http`.
   */
  refuseWith: 'http' | 'close';
}

/** Guarding memory against clients that do not read. Everything that is written to a socket counts, also by a plain `client.send`. */
export interface BackpressureOptions {
  /**
   * Bytes that may wait for one connection. A message costs memory beside its bytes: so one for each 256 of them may wait, and at least
   * 1,024. Pongs count as messages.
   * Default: 1048576.
   */
  maxBufferedBytes: number;
  /**
   * Bytes that may wait for all connections together; beyond, the largest are closed.
   * Default: a quarter of the heap limit.
   */
  maxTotalBufferedBytes: number;
  /**
   * A connection with bytes waiting must take at least so many in a second.
   * Default: 1024.
   */
  minDrainBytesPerSecond: number;
  /**
   * A connection that takes less for this long is destroyed and 4003 is recorded.
   * Default: 10000.
   */
  slowAfterMs: number;
  /**
   * At `maxBufferedBytes` the connection is closed with 4003, or the new message is dropped.
   * Default: `close`.
   */
  policy: 'close' | 'drop-newest';
}

/** Options of each accepted TCP socket. */
export interface TcpOptions {
  /**
   * Whether TCP probes an idle line (SO_KEEPALIVE, tcp(7)); it supplements the heartbeat and never replaces it. On Linux it is set on
   * the socket that listens and inherited, so plain HTTP connections have it too, and what the app sets on a socket itself stays.
   * Default: true.
   */
  keepAlive: boolean;
  /**
   * The idle time before the first probe.
   * Default: 60000.
   */
  keepAliveDelayMs: number;
  /**
   * Whether small frames go out at once (TCP_NODELAY).
   * Default: true.
   */
  noDelay: boolean;
}

/** Which measurements make the load. */
export interface LoadSources {
  /** The delay of the event loop. Default: true. */
  eventLoop: boolean;
  /** The V8 heap against its limit. Default: true. */
  heap: boolean;
  /** The container's memory against its limit. Default: true. */
  memory: boolean;
  /** CPU and event-loop utilisation; they slow the heartbeat down and refuse no upgrade. Default: true. */
  cpu: boolean;
}

/** The reactions of a busy node to its load, a ratio from 0 (idle) to 1 (no capacity left). */
export interface LoadOptions {
  /**
   * Above this ratio upgrades are answered 503 `overloaded`.
   * Default: 0.9.
   */
  refuseAbove: number;
  /**
   * Above this ratio the longest idle connections are closed with `closeCode`, a few at a time.
   * Default: 0.97.
   */
  shedAbove: number;
  /**
   * The close code for "try again later": 1013, or 4006 with the same meaning, for client stacks that do not understand 1013. Sent while
   * shedding, to users above `limits.maxPerUser`, and by `limits.refuseWith: 'close'`.
   * Default: 1013.
   */
  closeCode: 1013 | 4006;
  source: Readonly<LoadSources>;
}

/**
 * Authenticates a client before its upgrade is answered. Returns an identity, null to refuse, `'anonymous'` to admit
 * without a user, or `'deferred'` for a client that identifies later (`connection.identify`). An exception and a rejection refuse too.
 * @param signal Aborts when the client has disconnected or `handshakeTimeoutMs` has passed. For Node's own APIs: an exception of a listener that
 * the application adds is an uncaught exception of Node, which ends the process.
 */
export interface Authenticate {
  (request: IncomingMessage, signal: AbortSignal): Authentication | Promise<Authentication>;
  /**
   * Whether it may return `'anonymous'`: the doctor then warns where clients of other machines reach the server. Changes nothing else.
   * Default: false.
   */
  readonly admitsAnonymous?: boolean;
}
