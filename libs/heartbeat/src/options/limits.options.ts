import { group, milliseconds, oneOf, whole } from './checkers.js';

/** The longest message that fits into a V8 string with a wide margin. */
const MAX_BYTES = 256 * 1024 * 1024;

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

export const LIMIT_DEFAULTS: LimitOptions = {
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
};

export const LIMIT_RULES = group<LimitOptions>({
  maxConnections: whole(1, 10_000_000, 'connections'),
  maxPerIp: whole(0, 10_000_000, 'connections'),
  ipv6PrefixBits: whole(1, 128, 'bits'),
  maxPerUser: whole(0, 10_000_000, 'connections'),
  onUserLimit: oneOf('refuse', 'replace-oldest'),
  upgradesPerSecond: whole(0, 1_000_000, 'upgrades'),
  upgradesPerSecondPerIp: whole(0, 1_000_000, 'upgrades'),
  handshakeTimeoutMs: milliseconds(1),
  maxMessageBytes: whole(1, MAX_BYTES, 'bytes'),
  maxFragments: whole(1, 1_000_000, 'fragments'),
  messageTimeoutMs: milliseconds(0),
  maxInFlight: whole(1, 1_000_000, 'handlers'),
  maxStreams: whole(1, 1_000_000, 'streams'),
  messagesPerSecond: whole(0, 1_000_000, 'messages'),
  pingsPerSecond: whole(0, 1_000_000, 'pings'),
  refuseWith: oneOf('http', 'close'),
});
