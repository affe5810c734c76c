import { flag, group, milliseconds, text, whole } from './checkers.js';

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

export const LIVENESS_DEFAULTS: LivenessOptions = {
  intervalMs: 25_000,
  minIntervalMs: 15_000,
  maxIntervalMs: 45_000,
  pongTimeoutMs: 10_000,
  missedPongs: 2,
  adaptive: true,
  skipWhenActive: true,
  event: 'heartbeat',
};

export const LIVENESS_RULES = group<LivenessOptions>({
  // One tick is 50 ms; a shorter interval than a few ticks could not be kept.
  intervalMs: milliseconds(200),
  minIntervalMs: milliseconds(200),
  maxIntervalMs: milliseconds(200),
  adaptive: flag(),
  pongTimeoutMs: milliseconds(50),
  // Each missed pong may be found one tick late. More ticks would exceed the second of tolerance in the guarantee.
  missedPongs: whole(1, 10, 'pings'),
  skipWhenActive: flag(),
  event: text(100),
});
