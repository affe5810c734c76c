import { Logger } from '@nestjs/common';

import { inSlices } from '../base/slices.js';
import { printable } from '../base/printable.js';
import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import type { Closing } from '../connection/connection.types.js';
import type { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { NodeState } from '../node/node-state.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { CloseCodes } from '../protocol/close-code.js';
import { CloseSchedule } from './close-schedule.js';
import { spreadOf } from './drain-plan.js';

/** Interval of the steps of a drain. Each step begins a small batch of closes. */
const STEP_MS = 10;
/** Interval of the progress events. */
const PROGRESS_MS = 1000;

/** The recorded close of connections that a drain, or the end of the process, destroys. */
export function terminatedBy({ closeCode: code }: ResolvedOptions['drain']): Closing {
  return { code, reason: 'terminated at the end of a drain', by: 'server' };
}

/** The limits of a drain, in milliseconds. */
export type DrainSettings = Pick<ResolvedOptions['drain'], 'readinessDelayMs' | 'spreadMs' | 'deadlineMs'>;

/** The result of a drain. */
export interface DrainResult {
  /** Connections that were open when admission closed, and those that upgrades in progress opened later. */
  readonly total: number;
  /** Connections that were destroyed at the deadline. */
  readonly terminated: number;
  readonly durationMs: number;
  /** The drain was aborted: the node serves again. */
  readonly aborted?: true;
}

/**
 * One drain. Readiness fails at once, admission closes after `readinessDelayMs`, each connection is closed at its own moment of the spread,
 * and the deadline destroys the rest. It ends as soon as no connection is left. The run owns its timer, schedule and progress, and is the
 * only writer of the node's flags.
 */
export class DrainRun {
  /** Resolves when the drain has ended or was aborted; never rejects. */
  readonly result: Promise<DrainResult>;
  readonly #logger = new Logger('Heartbeat');
  readonly #startedAt: number;
  /** The run's own settings, and those of the process that took it over. The tightest apply. */
  readonly #settings: DrainSettings[];
  #resolve!: (result: DrainResult) => void;
  #phase: 'draining' | 'terminating' | 'drained' | 'aborted' = 'draining';
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | null = null;
  #admissionClosesAt: number;
  #deadlineAt: number;
  #progressAt: number;
  /** Null until admission closes. */
  #schedule: CloseSchedule<Connection> | null = null;
  /** The difference between the open connections and all connections opened until admission closed; null before. */
  #totalOffset: number | null = null;
  #terminated = 0;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
    settings: DrainSettings,
  ) {
    this.#startedAt = node.clock.now();
    this.#settings = [settings];
    this.#admissionClosesAt = this.#startedAt + settings.readinessDelayMs;
    this.#deadlineAt = this.#startedAt + settings.deadlineMs;
    this.#progressAt = this.#startedAt + PROGRESS_MS;
    this.result = new Promise(resolve => (this.#resolve = resolve));
  }

  /** Whether no connection is left. */
  get isDrained(): boolean {
    return this.#phase === 'drained';
  }

  /** Connections of this drain, including those that upgrades in progress opened later. */
  get total(): number {
    const { count, openedCount } = this.connections;
    return this.#totalOffset === null ? count : this.#totalOffset + openedCount;
  }

  begin(reason: string): void {
    const { count } = this.connections;
    // Set synchronously and first, so that the next probe fails.
    this.node.draining = true;
    this.#logger.log(`drain begins with ${count} connections: ${printable(reason)}`);
    this.events.announce({ type: 'drain-started', connections: count, reason });
    if (this.#phase !== 'draining') return;
    this.#timer = setInterval(() => this.#turn ?? this.#step(), STEP_MS);
    this.#step();
  }

  /**
   * Limits the rest of the drain by further settings that count from now. The rest of a plan that would take longer is planned again. No
   * deadline moves back.
   */
  takeOver(settings: DrainSettings): void {
    if (this.#phase !== 'draining') return;
    const now = this.node.clock.now();
    this.#settings.push(settings);
    this.#admissionClosesAt = Math.min(this.#admissionClosesAt, now + settings.readinessDelayMs);
    this.#deadlineAt = Math.min(this.#deadlineAt, now + settings.deadlineMs);
    if (this.#schedule === null) return;
    const { rest, endsAt } = this.#schedule;
    const spreadMs = this.#spreadOf(rest.length);
    if (endsAt <= now + spreadMs) return;
    this.#schedule.cancel();
    this.#schedule = new CloseSchedule(rest, now, spreadMs);
  }

  /** Returns the node to serving. Closes that have begun continue. */
  abort(): void {
    const [remaining, { total }] = [this.connections.count, this];
    this.#stop('aborted');
    this.node.admissionClosed = false;
    this.node.draining = false;
    this.#logger.log(`drain aborted with ${remaining} connections left: the node serves again`);
    this.events.announce({ type: 'drain-aborted', remaining, total });
    this.#resolve({ ...this.#outcome, aborted: true });
  }

  #step(): void {
    const now = this.node.clock.now();
    if (this.connections.count === 0) return this.#end();
    if (now >= this.#deadlineAt) return void this.#terminateRest();
    const isBehind = now >= this.#admissionClosesAt && this.#closeDue();
    // A close calls application code, which may abort the drain.
    if (this.#phase !== 'draining') return;
    if (isBehind) {
      this.#turn ??= setImmediate(() => {
        this.#turn = null;
        this.#step();
      });
    }
    if (now < this.#progressAt) return;
    this.#progressAt += PROGRESS_MS;
    this.events.announce({ type: 'drain-progress', remaining: this.connections.count, total: this.total });
  }

  /** The first call fixes the plan, based on the number of connections at that moment. */
  #closeDue(): boolean {
    if (this.#schedule === null) {
      this.#closeAdmission();
      const spreadMs = this.#spreadOf(this.connections.count);
      this.#schedule = new CloseSchedule(this.connections.all(), this.#admissionClosesAt, spreadMs);
    }
    const { closeCode: code } = this.node.options.drain;
    const closing: Closing = { code, reason: CloseCodes.goingAway.name, by: 'server' };
    return this.#schedule.closeDue(
      () => this.node.clock.now(),
      connection => connection.end(closing, this.node.retryAfterMs()),
    );
  }

  #closeAdmission(): void {
    this.node.admissionClosed = true;
    this.#totalOffset ??= this.connections.count - this.connections.openedCount;
  }

  #spreadOf(count: number): number {
    return Math.min(...this.#settings.map(({ spreadMs }) => spreadOf(count, spreadMs)));
  }

  /** Works in slices, between which pending I/O is handled: 10,000 connections take about 250 ms. */
  async #terminateRest(): Promise<void> {
    this.#stop('terminating');
    this.#closeAdmission();
    const terminated = terminatedBy(this.node.options.drain);
    await inSlices([...this.connections.all()], connection => {
      if (this.#phase !== 'terminating') return;
      this.#terminated++;
      connection.destroy(terminated);
    });
    if (this.#phase === 'terminating') this.#end();
  }

  #end(): void {
    this.#stop('drained');
    this.#closeAdmission();
    const result = this.#outcome;
    const { total, terminated, durationMs } = result;
    const text = `drain ended after ${durationMs} ms: ${total} connections were closed`;
    this.events.announce({ type: 'drain-ended', ...result });
    if (terminated > 0) this.#logger.warn(`${text}, ${terminated} of them were terminated at the deadline`);
    else this.#logger.log(text);
    this.#resolve(result);
  }

  #stop(phase: 'terminating' | 'drained' | 'aborted'): void {
    this.#phase = phase;
    clearInterval(this.#timer);
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
    this.#schedule?.cancel();
  }

  get #outcome(): DrainResult {
    const durationMs = Math.round(this.node.clock.now() - this.#startedAt);
    return { total: this.total, terminated: this.#terminated, durationMs };
  }
}
