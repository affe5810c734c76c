import { APPLICATION_CODE, type ApplicationCode } from '../base/application-code.js';
import { ClosedTotals } from './closed-totals.js';
import { Distribution } from './distribution.js';
import { LogHistogram } from './log-histogram.js';

/** The operations of the cluster whose failures are counted. */
const CLUSTER_OPERATIONS = [
  'connection',
  'lease',
  'publish',
  'message',
  'request',
  'ban',
  'user-limit',
  'audit',
  'limits',
] as const;
export type ClusterOperation = (typeof CLUSTER_OPERATIONS)[number];

/** The reasons for which an admin request is refused before its handler. */
const ADMIN_REFUSALS = ['unauthenticated', 'forbidden', 'too-many-failures'] as const;
export type AdminRefusal = (typeof ADMIN_REFUSALS)[number];

/** Seconds, from a network in the same building to the default `pongTimeoutMs`. */
const RTT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds, from an idle event loop to a machine that was suspended. */
const LATENESS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds. A run works in slices, so it is long on a busy node. */
const REAPER_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Running totals since the start, of occurrences that are too frequent for events or are needed as a sum. They are read at each scrape. */
export class Totals {
  pingsSent = 0;
  /** Pings that were skipped because the connection was active within the interval. */
  pingsSkipped = 0;
  pongsReceived = 0;
  pongsMissed = 0;
  messagesIn = 0;
  messagesOut = 0;
  /** Connections that a drain closed with unfinished work. */
  drainWorkTimeouts = 0;
  /** Totals of the connections that have ended. */
  readonly closed = new ClosedTotals();
  /** Failures in the cluster. They include requests without a response in time, and foreign messages. */
  readonly clusterErrors = Object.fromEntries(CLUSTER_OPERATIONS.map(operation => [operation, 0])) as Record<
    ClusterOperation,
    number
  >;
  /** Errors and rejections of application code. */
  readonly applicationErrors = Object.fromEntries(APPLICATION_CODE.map(where => [where, 0])) as Record<
    ApplicationCode,
    number
  >;
  /** Admin requests, and guarded scrapes, that were refused before their handler. */
  readonly adminRefused = Object.fromEntries(ADMIN_REFUSALS.map(reason => [reason, 0])) as Record<AdminRefusal, number>;
  /** Round trips in seconds, of pongs that belong to a known ping. */
  readonly rtt = new Distribution(RTT_SECONDS);
  /** The same round trips in milliseconds, in finer steps. */
  readonly rttMs = new LogHistogram();
  /** The delay of each tick of the heartbeat, in seconds. */
  readonly lateness = new Distribution(LATENESS_SECONDS);
  /** The same delays in milliseconds, in finer steps. */
  readonly latenessMs = new LogHistogram();
  /** The duration of each run of the reaper, in seconds. */
  readonly reaperRuns = new Distribution(REAPER_SECONDS);

  /** Counts the round trip of a heartbeat. */
  recordRoundTrip(ms: number): void {
    this.rtt.record(ms / 1000);
    this.rttMs.record(ms);
  }

  /** Counts the delay of a tick of the heartbeat. */
  recordLateness(ms: number): void {
    this.lateness.record(ms / 1000);
    this.latenessMs.record(ms);
  }
}
