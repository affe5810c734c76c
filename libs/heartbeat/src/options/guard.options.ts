import type { IncomingMessage } from 'node:http';

import type { Authentication } from '../base/identity.js';

/** Options of admission and flow: the clients that are admitted, the resources that a client may use, and the reaction to overload. */

/** Limits of one node and of one connection. */
export interface LimitOptions {
  /**
   * Connections of this node. Further upgrades are refused with 503 `at-capacity`.
   * Default: 10000.
   */
  maxConnections: number;
  /**
   * Connections of one client address (for IPv6 one /64) on this node. Further upgrades are refused with 429 `ip-limit`. 0 is off.
   * Default: 0.
   */
  maxPerIp: number;
  /**
   * Prefix length that counts as one IPv6 client in the limits.
   * Default: 64, the usual network of one household or host.
   */
  ipv6PrefixBits: number;
  /**
   * Connections of one user, over all nodes of the cluster. While Redis is lost, each node applies the limit alone. 0 is off.
   * Default: 0.
   */
  maxPerUser: number;
  /**
   * The reaction at `maxPerUser`: the new connection is refused (429 `user-limit`), or the user's oldest connection is closed with 4502.
   * Default: `refuse`.
   */
  onUserLimit: 'refuse' | 'replace-oldest';
  /**
   * Upgrades of all clients in a second, with a burst of the same size. Further upgrades are refused with 429 `upgrade-rate`. 0 is off.
   * Default: 0.
   */
  upgradesPerSecond: number;
  /**
   * The same for one client address. 0 is off.
   * Default: 0.
   */
  upgradesPerSecondPerIp: number;
  /**
   * Time for a request head, for `authenticate` and for a `verifyClient` hook.
   * Default: 10000.
   */
  handshakeTimeoutMs: number;
  /**
   * Bytes of one message, also after inflation. A larger message closes the connection with 1009 (RFC 6455, section 7.4.1).
   * Default: 65536.
   */
  maxMessageBytes: number;
  /**
   * Fragments of one message. More close the connection with 1008.
   * Default: 1024.
   */
  maxFragments: number;
  /**
   * Time for one message to arrive completely. Then the connection is closed with 4004. 0 is off.
   * Default: 10000.
   */
  messageTimeoutMs: number;
  /**
   * Message handlers that run at once for one connection. Above, its socket is not read until one has ended.
   * Default: 64.
   */
  maxInFlight: number;
  /**
   * Observables that handlers of one connection have returned and that have not ended. One more is not subscribed; the client receives an
   * exception event.
   * Default: 64.
   */
  maxStreams: number;
  /**
   * Messages of one connection in a second. More close it with 4004. 0 is off.
   * Default: 0.
   */
  messagesPerSecond: number;
  /**
   * Pings of one connection in a second. More close it with 4004. 0 is off.
   * Default: 10.
   */
  pingsPerSecond: number;
  /**
   * The form of a refusal: an HTTP response, or a finished upgrade and a close code, for browsers, which cannot read HTTP responses to an
   * upgrade. Invalid upgrades and unknown paths are always refused by HTTP, and so are all upgrades while 1000 refused clients are closing.
   * Default: `http`.
   */
  refuseWith: 'http' | 'close';
}

/** Protection of the memory against clients that do not read. All bytes written to a socket count, also by a plain `client.send`. */
export interface BackpressureOptions {
  /**
   * Bytes that may be buffered for one connection. A message costs memory beside its bytes. So the number of buffered messages is limited
   * as well: one for each 256 bytes, and at least 1,024. Pongs count as messages.
   * Default: 1048576.
   */
  maxBufferedBytes: number;
  /**
   * Bytes that may be buffered for all connections together. Above, the connections with the most buffered bytes are closed.
   * Default: a quarter of the heap limit.
   */
  maxTotalBufferedBytes: number;
  /**
   * Bytes that a client with buffered bytes must read in a second.
   * Default: 1024.
   */
  minDrainBytesPerSecond: number;
  /**
   * A connection that is slower for this long is destroyed, with the recorded code 4003.
   * Default: 10000.
   */
  slowAfterMs: number;
  /**
   * The reaction at `maxBufferedBytes`: the connection is closed with 4003, or the new message is dropped.
   * Default: `close`.
   */
  policy: 'close' | 'drop-newest';
}

/** Options of each accepted TCP socket. */
export interface TcpOptions {
  /**
   * Whether TCP probes an idle connection (SO_KEEPALIVE, tcp(7)). It supplements the heartbeat and does not replace it. On Linux accepted
   * sockets inherit it from the listening socket. So plain HTTP connections have it too, and a setting of the app on a socket stays.
   * Default: true.
   */
  keepAlive: boolean;
  /**
   * Idle time before the first probe.
   * Default: 60000.
   */
  keepAliveDelayMs: number;
  /**
   * Whether small frames are sent at once (TCP_NODELAY).
   * Default: true.
   */
  noDelay: boolean;
}

/** The measurements that the load consists of. */
export interface LoadSources {
  /** The delay of the event loop. Default: true. */
  eventLoop: boolean;
  /** The V8 heap against its limit. Default: true. */
  heap: boolean;
  /** The container's memory against its limit. Default: true. */
  memory: boolean;
  /** CPU and event-loop utilisation. They slow the heartbeat down and never refuse a client. Default: true. */
  cpu: boolean;
}

/** The reaction to load: one ratio from 0 (idle) to 1 (full). */
export interface LoadOptions {
  /**
   * Above this ratio upgrades are refused with 503 `overloaded`.
   * Default: 0.9.
   */
  refuseAbove: number;
  /**
   * Above this ratio the longest idle connections are closed with `closeCode`, a few at a time.
   * Default: 0.97.
   */
  shedAbove: number;
  /**
   * The close code for "try again later": 1013, or 4006 with the same meaning for clients that do not support 1013. It is sent while
   * shedding, to users above `limits.maxPerUser`, and by `limits.refuseWith: 'close'`.
   * Default: 1013.
   */
  closeCode: 1013 | 4006;
  source: Readonly<LoadSources>;
}

/**
 * Decides before the response to the upgrade whether a client is admitted. It returns an identity, null to refuse, `'anonymous'` for a
 * client without identity, or `'deferred'` for a client that is identified later (`connection.identify`). An error or a rejection refuses
 * as well.
 * @param signal Aborts when the client has disconnected or `handshakeTimeoutMs` has passed. It is meant for Node's own APIs: an error of
 * your own listener would be an uncaught exception, which ends the process.
 */
export interface Authenticate {
  (request: IncomingMessage, signal: AbortSignal): Authentication | Promise<Authentication>;
  /**
   * Whether it may return `'anonymous'`. Then the doctor warns where clients of other machines reach the server. There is no other effect.
   * Default: false.
   */
  readonly admitsAnonymous?: boolean;
}
