import { Injectable, type OnModuleDestroy } from '@nestjs/common';

import { handled } from '../base/handled.js';
import { callOf } from '../connection/application-call.js';
import { ConnectionService } from '../connection/connection.service.js';
import { InboundPolicy } from '../connection/ports.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { NodeState } from '../node/node-state.js';
import { workTimeoutOf } from '../options/drain.options.js';
import { spreadOf } from './drain-plan.js';
import { assertDrainRequest, assertReason, type DrainRequest } from './drain-request.js';
import { DrainRun } from './drain-run.js';
import type { DrainPlan, DrainState } from './drain-status.js';
import { sumOf, verdictOf } from './drain-verdict.js';
import { type DrainResult, type DrainSettings, TERMINATED, terminatedBy } from './drain.types.js';
import { GracePeriod } from './grace-period.js';

/** The times of a drain, complete. */
type DrainTimes = DrainSettings & Readonly<Record<'spreadMs' | 'workTimeoutMs', number>>;

/**
 * Closes all connections of the node, spread over time: serving → draining → drained, and back to serving by an abort. The process stays. A
 * drain for the end of the process (a signal, `app.close()`) takes over the running one, and cannot be aborted.
 */
@Injectable()
export class DrainService implements OnModuleDestroy {
  /** Null while the node serves. */
  #run: DrainRun | null = null;
  /** Whether the process ends after the drain. */
  #isFinal = false;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
    private readonly inbound: InboundPolicy,
    private readonly grace: GracePeriod,
  ) {}

  /** Nest awaits this hook, also for `app.close()` without a signal. */
  async onModuleDestroy(): Promise<void> {
    await this.takeOver('the application closes');
  }

  /** `draining` from the failure of readiness on. `drained` when no connection is left; new ones are refused until an abort. */
  get state(): DrainState {
    if (this.#run === null) return 'serving';
    return this.#run.isDrained ? 'drained' : 'draining';
  }

  /**
   * Begins a drain, once: while one runs, and after its end until an abort, every caller gets the same promise. The process stays.
   * @param reason For the log, and for the event `drain-started`.
   * @param request Values that differ from the options. Default: the options, with `drain.deadlineMs`.
   * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` (as a rejection) for a wrong request or reason. Then nothing is closed.
   */
  start(reason: string, request?: DrainRequest): Promise<DrainResult> {
    const isNew = this.#run === null;
    try {
      assertReason(reason);
      const { result } = this.#started(reason, request);
      if (isNew) this.events.calls.next(callOf('drain', this.node.id, 'done', { reason, ...request }));
      return result;
    } catch (error) {
      return handled(Promise.reject(error as Error));
    }
  }

  /**
   * Begins a drain for an operator, whose request has its own entry in the audit trail.
   * @internal
   */
  startFor(operator: string, request: DrainRequest): void {
    this.#started(`by hand: ${operator}`, request);
  }

  /**
   * The plan for the current connections, or the progress of a drain that runs or has ended.
   * @param request Values of the planned drain that differ from the options. Default: the plan of a signal, with `drain.deadlineMs`.
   * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for a wrong request.
   */
  plan(request?: DrainRequest): DrainPlan {
    const run = this.#run?.progress ?? null;
    const { count } = this.connections;
    const times = run ?? this.#settingsOf(request);
    const busy = this.#busyCount();
    const { closeTimeoutMs } = this.node.options.drain;
    const total = run?.total ?? count;
    const parts = { ...times, closeTimeoutMs, workTimeoutMs: busy > 0 ? times.workTimeoutMs : 0 };
    const estimatedMs = total === 0 ? 0 : Math.round(sumOf(parts));
    const bounds = { deadlineMs: Math.round(times.deadlineMs), graceMs: this.grace.ms };
    return {
      node: this.node.id,
      state: this.state,
      connections: count,
      busy,
      spreadMs: Math.round(times.spreadMs),
      estimatedMs,
      ...bounds,
      ...verdictOf(estimatedMs, bounds),
      remaining: run === null ? 0 : count,
      total: run === null ? 0 : total,
      terminated: run?.terminated ?? 0,
      startedAt: run && this.node.clock.wallTime(run.startedAt).toISOString(),
      reason: run && run.reason,
      final: this.#isFinal,
    };
  }

  /**
   * Drains for the end of the process: begins a drain, or limits the running one by the options, counted from now. It cannot be aborted
   * afterwards.
   * @internal
   */
  takeOver(reason: string): Promise<DrainResult> {
    if (this.#run !== null && !this.#isFinal) this.#run.takeOver(this.node.options.drain, reason);
    this.#isFinal = true;
    return this.#started(reason).result;
  }

  /**
   * Returns to serving, from either state of a drain: the node is as before. Closes that have begun continue. The promise of `start`
   * resolves with `aborted: true`, and a later `start` begins a new drain. Returns false where no drain runs, and where the process ends
   * after the drain.
   * @param reason For the log. Default: `by the application`.
   * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for a reason that is not a text. The drain goes on.
   */
  abort(reason = 'by the application'): boolean {
    assertReason(reason);
    const isAborted = this.#aborted(reason);
    if (isAborted) this.events.calls.next(callOf('abort-drain', this.node.id, 'done', { reason }));
    return isAborted;
  }

  /**
   * The same for an operator, whose request has its own entry in the audit trail.
   * @internal
   */
  abortFor(operator: string): boolean {
    return this.#aborted(`by hand: ${operator}`);
  }

  /**
   * Destroys the remaining connections in this turn, for a process that ends in it. Returns their number.
   * @internal
   */
  terminateAll(): number {
    const left = [...this.connections.all()];
    const terminated = terminatedBy(this.node.options.drain);
    for (const connection of left) connection.destroy(terminated, TERMINATED);
    return left.length;
  }

  #aborted(reason: string): boolean {
    const run = this.#run;
    if (run === null || this.#isFinal) return false;
    this.#run = null;
    run.abort(reason);
    return true;
  }

  #started(reason: string, request?: DrainRequest): DrainRun {
    if (this.#run !== null) return this.#run;
    const { node, connections, events, inbound } = this;
    const settings = request === undefined ? node.options.drain : this.#settingsOf(request);
    const run = new DrainRun({ node, connections, events, inbound }, settings);
    this.#run = run;
    run.begin(reason);
    return run;
  }

  /** The spread is fixed, so that the deadline of a request that has none fits. */
  #settingsOf(given?: DrainRequest): DrainTimes {
    const request = given === undefined ? undefined : assertDrainRequest(given);
    const { drain } = this.node.options;
    const { readinessDelayMs, closeTimeoutMs } = drain;
    const spreadMs = spreadOf(this.connections.count, request?.spreadMs ?? drain.spreadMs);
    const parts = { readinessDelayMs, spreadMs, closeTimeoutMs };
    const { deadlineMs } = request ?? {};
    const leftMs =
      deadlineMs === undefined ? Infinity : Math.max(0, deadlineMs - sumOf({ ...parts, workTimeoutMs: 0 }));
    const bound = deadlineMs === undefined ? drain : { ...drain, spreadMs, deadlineMs };
    const workTimeoutMs = request?.workTimeoutMs ?? Math.min(workTimeoutOf(bound), leftMs);
    const ownMs = request && sumOf({ ...parts, workTimeoutMs });
    return {
      readinessDelayMs,
      spreadMs,
      workTimeoutMs,
      returnWindowMs: request?.returnWindowMs ?? drain.returnWindowMs,
      deadlineMs: deadlineMs ?? ownMs ?? drain.deadlineMs,
    };
  }

  /** One pass over all connections, in less than a millisecond for 10,000. */
  #busyCount(): number {
    let busy = 0;
    for (const connection of this.connections.all()) if (connection.hasWork) busy++;
    return busy;
  }
}
