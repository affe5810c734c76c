import { randomBytes } from 'node:crypto';

import { Inject, Injectable, type INestApplicationContext, Optional } from '@nestjs/common';

import type { Clock } from '../base/clock.js';
import type { LoadSource, LoadState } from './load-state.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_CLOCK, HEARTBEAT_OPTIONS, HEARTBEAT_RANDOM } from '../base/heartbeat.tokens.js';
import { LimitedLogger } from '../base/limited-logger.js';
import { type ApplicationCode, applicationCodeOf } from '../base/application-code.js';
import { type LiveLimits, liveLimitsOf } from './live-limits.js';
import { SecondTimer } from './second-timer.js';
import { StallLog } from './stall-log.js';
import { Totals } from './totals.js';

/**
 * The state of the node that several rules share: whether it drains, the interval in force, the attended time. Each field has one owner
 * that writes it, named beside it; all rules may read it.
 */
@Injectable()
export class NodeState {
  /** The node's name and a random part for each start, so that no two nodes or starts have the same id. */
  readonly id: string;
  readonly name: string;
  /** The start of this process' service, in monotonic milliseconds. */
  readonly startedAt: number;
  /** The logger for every line that a client can cause; closed by the module. */
  readonly log: LimitedLogger;
  /** The timer for work that is due every second. */
  readonly seconds = new SecondTimer();

  /** The limits in force; replaced as a whole where they change. */
  limits: LiveLimits;
  /** Owner: the module. Whether its bootstrap hook has run. */
  bootstrapHookRan = false;
  /** Owner: the gateway adapter. The application that it is installed in. */
  application: (INestApplicationContext & { readonly isInitialized?: boolean }) | null = null;
  #isInitialized = false;
  /** Owner: the gateway adapter. Sockets that the limit of open files leaves for clients. */
  socketRoom = Infinity;
  /** Owner: drain. From the first signal on; readiness is 503. */
  draining = false;
  /** Owner: drain. New clients are refused. */
  admissionClosed = false;
  /** Owner: drain. Connections that the drain has reached, and for whose work it waits. */
  drainWaiting = 0;
  /** Owner: the registry. Disposers of ended connections whose promises have not settled. */
  disposals = 0;
  /** Owner: drain. The deadline of the drain, in monotonic milliseconds; null without a drain. */
  drainDeadlineAt: number | null = null;
  /** Owner: drain. The window of advised delays: that of the drain, or of the options. */
  returnWindowMs: number;
  /** Owner: the registry. Set at `maxConnections`, cleared under 95 % of it. */
  atCapacity = false;
  /** Owner: load. The load of this node, and its consequences. */
  load: LoadState = { ratio: 0, source: 'event-loop', level: 'well', refusing: false, shedding: false };
  /** Owner: load. The load by source, from 0 to 1; without the sources that are off. */
  loadBySource: ReadonlyMap<LoadSource, number> = new Map();
  /** Owner: admission. Whether any request had the header of a proxy. */
  proxyHeaderSeen = false;
  /** Owner: admission. Whether a client connected through a Unix socket. */
  unixPeerSeen = false;
  /** Owners: heartbeat, dispatcher and registry. Running totals of occurrences that are too frequent for events. */
  readonly totals = new Totals();
  /** Owner: heartbeat. The last long stalls, for the flight records of all connections. */
  readonly stalls = new StallLog();
  /** Owner: heartbeat. The interval in force, in milliseconds. */
  intervalMs: number;
  /** Owner: heartbeat. Time lost in stalls in this second of attended time and the one before, in milliseconds. */
  recentStallMs = 0;
  /**
   * Owner: flow. The arrival time of all bytes before this attended time is known: complete messages, pings and pongs have recorded theirs,
   * and flow that of incomplete messages.
   */
  accountedUntil = 0;
  /** Owner: heartbeat. Attended time at the last tick, in whole milliseconds. */
  attendedMs = 0;

  /** Owner: cluster. Nodes whose leases have not ended, including this one. */
  clusterNodes = 1;
  /** Owner: cluster. Whether Redis is configured and does not respond. */
  clusterLost = false;

  constructor(
    @Inject(HEARTBEAT_OPTIONS) readonly options: ResolvedOptions,
    @Inject(HEARTBEAT_CLOCK) readonly clock: Clock,
    @Optional() @Inject(HEARTBEAT_RANDOM) readonly random: () => number = Math.random,
  ) {
    this.name = options.cluster.nodeName;
    this.id = `${this.name}-${randomBytes(4).toString('hex')}`;
    this.limits = liveLimitsOf(options);
    this.startedAt = clock.now();
    this.log = new LimitedLogger('Heartbeat', clock);
    this.intervalMs = options.heartbeat.intervalMs;
    this.returnWindowMs = options.drain.returnWindowMs;
  }

  /**
   * Counts and logs an error or rejection of application code, with at most one line of each kind in a minute.
   * @param kind One of few texts, such as `a disposer failed`.
   */
  applicationFailed(where: ApplicationCode, error: unknown, kind: string, text = kind): void {
    this.totals.applicationErrors[where]++;
    this.log.error(kind, text, error);
  }

  /** The same for code that has the name `what` in log lines: `handleConnection`, `verifyClient`. */
  codeFailed(what: string, error: unknown): void {
    this.applicationFailed(applicationCodeOf(what), error, `${what} failed`);
  }

  /** A random delay after which one client should reconnect. */
  retryAfterMs(): number {
    return Math.round(this.random() * this.returnWindowMs);
  }

  /**
   * Whether the bootstrap hooks of all modules have run; no client is admitted before. A gateway on its own port is reachable earlier, and
   * Nest has no event for it. An application returns it through a proxy, which is slow, so a true value is kept.
   */
  get bootstrapped(): boolean {
    return this.bootstrapHookRan && (this.#isInitialized ||= this.application?.isInitialized ?? true);
  }

  /** Whether the gateway adapter is installed in the application. */
  get adapterInstalled(): boolean {
    return this.application !== null;
  }
}
