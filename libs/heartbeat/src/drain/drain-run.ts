import { Logger } from '@nestjs/common';

import { inSlices } from '../base/slices.js';
import { printable } from '../base/printable.js';
import type { Connection } from '../connection/connection.js';
import type { Closing } from '../connection/connection.types.js';
import { type CauseNote, noteText } from '../connection/history/flight-note.js';
import { workTimeoutOf } from '../options/drain.options.js';
import { CloseCodes } from '../protocol/close-code.js';
import { CloseSchedule } from './close-schedule.js';
import { spreadOf } from './drain-plan.js';
import {
  type DrainParts,
  type DrainProgress,
  type DrainResult,
  type DrainSettings,
  TERMINATED,
  terminatedBy,
} from './drain.types.js';
import { WorkWaits } from './work-waits.js';

/** Interval of the steps of a drain. Each step begins a small batch of closes. */
const STEP_MS = 10;
/** Interval of the progress events. */
const PROGRESS_MS = 1000;

/**
 * One drain. Readiness fails at once, admission closes after `readinessDelayMs`, each connection is reached at its own moment of the spread
 * and closed when its work is done, and the deadline destroys the rest. It ends as soon as no connection is left and no disposer runs. The
 * run owns its timer, schedule and progress, and is the only writer of the node's flags.
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
  #reason = '';
  readonly #waits: WorkWaits;
  /** The entry of this drain in the flight records of its connections. */
  #cause: CauseNote = { kind: 'drained', reason: null };

  constructor(
    private readonly parts: DrainParts,
    private readonly settings: DrainSettings,
  ) {
    const { node, inbound } = parts;
    this.#waits = new WorkWaits(node, inbound, connection => this.#close(connection));
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
    const { count, openedCount } = this.parts.connections;
    return this.#totalOffset === null ? count : this.#totalOffset + openedCount;
  }

  get progress(): DrainProgress {
    const startedAt = this.#startedAt;
    const openSpreadMs = this.#spreadOf(this.parts.connections.count);
    return {
      startedAt,
      reason: this.#reason,
      total: this.total,
      terminated: this.#terminated,
      readinessDelayMs: this.#admissionClosesAt - startedAt,
      spreadMs: this.#schedule === null ? openSpreadMs : this.#schedule.endsAt - this.#admissionClosesAt,
      workTimeoutMs: this.#workTimeoutMs,
      deadlineMs: this.#deadlineAt - startedAt,
    };
  }

  begin(reason: string): void {
    const { count } = this.parts.connections;
    // Set synchronously and first, so that the next probe fails.
    this.parts.node.draining = true;
    this.parts.node.returnWindowMs = this.settings.returnWindowMs ?? this.parts.node.returnWindowMs;
    this.parts.node.drainDeadlineAt = this.#deadlineAt;
    this.#reason = reason;
    this.#cause = { kind: 'drained', reason: noteText(reason) };
    this.#logger.log(`drain begins with ${count} connections: ${printable(reason)}`);
    this.parts.events.announce({ type: 'drain-started', connections: count, reason });
    if (this.#phase !== 'draining') return;
    this.#timer = setInterval(() => this.#turn ?? this.#step(), STEP_MS);
    this.#step();
  }

  /**
   * Limits the rest of the drain by further settings that count from now, for a process that ends afterwards. The rest of a plan that would
   * take longer is planned again. No deadline moves back. The advised delays stay those of this drain.
   */
  takeOver(settings: DrainSettings, reason: string): void {
    const now = this.parts.node.clock.now();
    const { count: remaining } = this.parts.connections;
    this.#settings.push(settings);
    this.#reason = reason;
    this.#deadlineAt = Math.min(this.#deadlineAt, now + settings.deadlineMs);
    this.parts.node.drainDeadlineAt = this.#deadlineAt;
    this.#logger.log(`drain with ${remaining} connections left is taken over: ${printable(reason)}`);
    this.parts.events.announce({ type: 'drain-taken-over', remaining, total: this.total, reason });
    if (this.#phase !== 'draining') return;
    this.#admissionClosesAt = Math.min(this.#admissionClosesAt, now + settings.readinessDelayMs);
    this.#waits.limit(this.#workTimeoutMs);
    if (this.#schedule === null) return;
    const { rest, endsAt } = this.#schedule;
    const spreadMs = this.#spreadOf(rest.length);
    if (endsAt <= now + spreadMs) return;
    this.#schedule.cancel();
    this.#schedule = new CloseSchedule(rest, now, spreadMs);
  }

  /** Returns the node to serving. Closes that have begun continue. Connections for whose work it waited serve again. */
  abort(reason: string): void {
    const [remaining, { total }] = [this.parts.connections.count, this];
    this.#waits.resume();
    this.#stop('aborted');
    this.parts.node.admissionClosed = false;
    this.parts.node.draining = false;
    this.parts.node.returnWindowMs = this.parts.node.options.drain.returnWindowMs;
    this.parts.node.drainDeadlineAt = null;
    this.#logger.log(`drain aborted with ${remaining} connections left, the node serves again: ${printable(reason)}`);
    this.parts.events.announce({ type: 'drain-aborted', remaining, total });
    this.#resolve({ ...this.#outcome, aborted: true });
  }

  #step(): void {
    const now = this.parts.node.clock.now();
    if (this.parts.connections.count === 0 && this.parts.node.disposals === 0) return this.#end();
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
    this.parts.events.announce({ type: 'drain-progress', remaining: this.parts.connections.count, total: this.total });
  }

  /** The first call fixes the plan, based on the number of connections at that moment. */
  #closeDue(): boolean {
    if (this.#schedule === null) {
      this.#closeAdmission();
      const spreadMs = this.#spreadOf(this.parts.connections.count);
      this.#schedule = new CloseSchedule(this.parts.connections.all(), this.#admissionClosesAt, spreadMs);
    }
    const timeoutMs = this.#workTimeoutMs;
    const isBehind = this.#schedule.closeDue(
      () => this.parts.node.clock.now(),
      connection => this.#waits.reach(connection, timeoutMs),
    );
    return this.#waits.step() || isBehind;
  }

  #close(connection: Connection): void {
    const { closeCode: code } = this.parts.node.options.drain;
    const closing: Closing = { code, reason: CloseCodes.goingAway.name, by: 'server' };
    connection.end(closing, this.#cause, this.parts.node.retryAfterMs());
  }

  #closeAdmission(): void {
    this.parts.node.admissionClosed = true;
    this.#totalOffset ??= this.parts.connections.count - this.parts.connections.openedCount;
  }

  /** The time for the work of one connection, from the moment at which the drain reaches it. */
  get #workTimeoutMs(): number {
    const { closeTimeoutMs } = this.parts.node.options.drain;
    return Math.min(...this.#settings.map(settings => workTimeoutOf({ ...settings, closeTimeoutMs })));
  }

  #spreadOf(count: number): number {
    return Math.min(...this.#settings.map(({ spreadMs }) => spreadOf(count, spreadMs)));
  }

  /** Works in slices, between which pending I/O is handled: 10,000 connections take about 250 ms. */
  async #terminateRest(): Promise<void> {
    const { disposals } = this.parts.node;
    this.#stop('terminating');
    this.#closeAdmission();
    const terminated = terminatedBy(this.parts.node.options.drain);
    await inSlices([...this.parts.connections.all()], connection => {
      if (this.#phase !== 'terminating') return;
      this.#terminated++;
      connection.destroy(terminated, TERMINATED);
    });
    if (this.#phase === 'terminating') this.#end(disposals);
  }

  /** @param unsettled Promises of disposers for which the drain waited until its deadline. */
  #end(unsettled = 0): void {
    this.#stop('drained');
    this.#closeAdmission();
    const result = this.#outcome;
    const { total, terminated, durationMs } = result;
    const { unfinished } = this.#waits;
    const work = unfinished === '' ? '' : `; drain.workTimeoutMs ended work: ${unfinished}`;
    const waited = unsettled === 0 ? work : `${work}; promises of disposers had not settled: ${unsettled}`;
    const text = `drain ended after ${durationMs} ms: ${total} connections were closed`;
    this.parts.events.announce({ type: 'drain-ended', ...result });
    if (terminated > 0) this.#logger.warn(`${text}, ${terminated} of them were terminated at the deadline${waited}`);
    else if (waited !== '') this.#logger.warn(text + waited);
    else this.#logger.log(text);
    this.#resolve(result);
  }

  #stop(phase: 'terminating' | 'drained' | 'aborted'): void {
    this.#phase = phase;
    clearInterval(this.#timer);
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
    this.#schedule?.cancel();
    this.#waits.clear();
  }

  get #outcome(): DrainResult {
    const durationMs = Math.round(this.parts.node.clock.now() - this.#startedAt);
    return { total: this.total, terminated: this.#terminated, durationMs };
  }
}
