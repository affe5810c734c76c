import { randomBytes } from 'node:crypto';

import { Inject, Injectable, type INestApplicationContext, Optional } from '@nestjs/common';

import type { Clock } from '../base/clock.js';
import type { LoadState } from '../node/load-state.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { HEARTBEAT_CLOCK, HEARTBEAT_OPTIONS, HEARTBEAT_RANDOM } from '../base/heartbeat.tokens.js';
import { LimitedLogger } from '../base/limited-logger.js';
import { type ApplicationCode, applicationCodeOf } from '../base/application-code.js';
import { type LiveLimits, liveLimitsOf } from '../node/live-limits.js';
import { Totals } from '../node/totals.js';
import type { TrackedTransport } from './ports.js';

/**
 * What one rule needs to know of another: whether the node drains, which interval is in force, what time was attended.
 * Each field has one owner who writes it, named beside it; everybody may read.
 */
@Injectable()
export class NodeState {
  /** The node's name and a random part for each boot, so that no two nodes or boots can be taken for one. */
  readonly id: string;
  readonly name: string;
  /** When this process began to serve, in monotonic milliseconds. */
  readonly startedAt: number;
  /** The logger for every line that a client can cause; closed by the module. */
  readonly log: LimitedLogger;

  /** The limits in force; replaced as a whole where they change. */
  limits: LiveLimits;
  /** Owner: the module. Whether its bootstrap hook has run. */
  bootstrapHookRan = false;
  /** Owner: the gateway adapter. The application that it is installed in. */
  application: (INestApplicationContext & { readonly isInitialized?: boolean }) | null = null;
  #isInitialized = false;
  /** Owner: the gateway adapter. The sockets of each of its servers, as `ws` keeps them; the reaper compares them with the books. */
  readonly socketSets: ReadonlySet<TrackedTransport>[] = [];
  /** Owner: the gateway adapter. Sockets that the limit of open files leaves for clients. */
  socketRoom = Infinity;
  /** Owner: drain. From the first signal on; readiness is 503. */
  draining = false;
  /** Owner: drain. Newcomers are refused. */
  admissionClosed = false;
  /** Owner: the registry. Set at `maxConnections`, cleared under 95 % of it. */
  atCapacity = false;
  /** Owner: load. How busy this node is, and what follows. */
  load: LoadState = { ratio: 0, source: 'event-loop', level: 'well', refusing: false, shedding: false };
  /** Owner: admission. Whether a proxy's header was ever seen. */
  proxyHeaderSeen = false;
  /** Owner: admission. Whether a client came through a Unix socket. */
  unixPeerSeen = false;
  /** Owners: heartbeat, dispatcher and registry. Running totals of what is too frequent for events. */
  readonly totals = new Totals();
  /** Owner: heartbeat. The interval in force, in milliseconds. */
  intervalMs: number;
  /** Owner: heartbeat. Time lost in stalls in this second of attended time and the one before, in milliseconds. */
  recentStallMs = 0;
  /**
   * Owner: flow. Every byte that came before this attended time is known by its time: what made a message, a ping or a pong has
   * told it, and of messages in the making the flow has.
   */
  accountedUntil = 0;
  /** Owner: heartbeat. Attended time at the last tick, in whole milliseconds. */
  attendedMs = 0;

  /** Owner: cluster. Nodes whose leases have not run out, this one included. */
  clusterNodes = 1;
  /** Owner: cluster. Whether there is a Redis that does not answer. */
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
  }

  /**
   * Code of the application threw or rejected: counts it, and logs it, at most one line of each kind in a minute.
   * @param kind One of few texts, such as `a disposer failed`.
   */
  applicationFailed(where: ApplicationCode, error: unknown, kind: string, text = kind): void {
    this.totals.applicationErrors[where]++;
    this.log.error(kind, text, error);
  }

  /** The same for code that log lines name by `what`: `handleConnection`, `verifyClient`. */
  codeFailed(what: string, error: unknown): void {
    this.applicationFailed(applicationCodeOf(what), error, `${what} failed`);
  }

  /** A delay after which one client is advised to reconnect, drawn for each client. */
  retryAfterMs(): number {
    return Math.round(this.random() * this.options.drain.returnWindowMs);
  }

  /**
   * Whether the bootstrap hooks of all modules have run; no client is admitted before. A gateway on a port of its own is reachable
   * earlier, and Nest has no event for it. An application answers through a proxy, so that the answer is kept once it is true.
   */
  get bootstrapped(): boolean {
    return this.bootstrapHookRan && (this.#isInitialized ||= this.application?.isInitialized ?? true);
  }

  /** Whether the gateway adapter is installed in the application. */
  get adapterInstalled(): boolean {
    return this.application !== null;
  }
}
