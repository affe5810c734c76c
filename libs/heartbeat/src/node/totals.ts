import { APPLICATION_CODE, type ApplicationCode } from '../base/application-code.js';
import { ClosedTotals } from './closed-totals.js';
import { Distribution } from './distribution.js';

/** What the cluster does, as its failures are counted. */
export const CLUSTER_OPERATIONS = [
  'connection',
  'lease',
  'publish',
  'message',
  'request',
  'ban',
  'user-limit',
] as const;
export type ClusterOperation = (typeof CLUSTER_OPERATIONS)[number];

/** Why an admin request was refused before its handler. */
export const ADMIN_REFUSALS = ['unauthenticated', 'forbidden', 'too-many-failures'] as const;
export type AdminRefusal = (typeof ADMIN_REFUSALS)[number];

/** Seconds, from a line in the same building to the default `pongTimeoutMs`. */
const RTT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds, from a loop at leisure to a machine that was suspended. */
const LATENESS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds; a run works in slices, so a busy node makes it long. */
const REAPER_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Running totals since the start, of what happens too often to be announced as events, or is asked for as a sum; read at each scrape. */
export class Totals {
  pingsSent = 0;
  /** Connections that were spared a ping since they had been heard within the interval. */
  pingsSkipped = 0;
  pongsReceived = 0;
  pongsMissed = 0;
  messagesIn = 0;
  messagesOut = 0;
  /** Of the connections that have ended. */
  readonly closed = new ClosedTotals();
  /** What failed in the cluster: also requests that nobody answered in time, and messages that were none of ours. */
  readonly clusterErrors = Object.fromEntries(CLUSTER_OPERATIONS.map(operation => [operation, 0])) as Record<
    ClusterOperation,
    number
  >;
  /** What code of the application threw or rejected with. */
  readonly applicationErrors = Object.fromEntries(APPLICATION_CODE.map(where => [where, 0])) as Record<
    ApplicationCode,
    number
  >;
  /** Admin requests, and guarded scrapes, that were refused before their handler. */
  readonly adminRefused = Object.fromEntries(ADMIN_REFUSALS.map(reason => [reason, 0])) as Record<AdminRefusal, number>;
  /** Round trips in seconds; of answers that can be told to belong to a ping. */
  readonly rtt = new Distribution(RTT_SECONDS);
  /** By how much each tick of the heartbeat came later than it was due, in seconds. */
  readonly lateness = new Distribution(LATENESS_SECONDS);
  /** How long each run of the reaper took, in seconds. */
  readonly reaperRuns = new Distribution(REAPER_SECONDS);
}
