import { Injectable, Logger, Optional, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';

import { type CloseCode, CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { idleMs } from '../connection/listing/connection-query.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { NO_TRACING, Tracing } from '../node/tracing.js';
import { SECOND_MS } from '../node/second-timer.js';
import { placeOf } from '../connection/pulse.js';
import { Registry } from '../connection/registry.js';
import type { TrackedTransport } from '../connection/ports.js';
import { describeError } from '../base/describe-error.js';
import { Handled } from '../base/handled.js';
import { type DriftKind, HeartbeatEvents, type ReapReason } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';

/** The job's name in the `SchedulerRegistry`. */
export const REAPER_JOB = 'heartbeat-reaper';

/** Interval of the check for connections that were not identified in time, while there are any. */
const IDENTITY_STEP_MS = SECOND_MS / 2;

/**
 * The scheduled task: it closes connections that are idle or too old, and compares the registry with the existing sockets. A run works in
 * slices. The next run is skipped while one lasts.
 */
@Injectable()
export class ReaperService implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('Heartbeat');
  #job: CronJob | null = null;
  #registry: SchedulerRegistry | null = null;
  #running = false;
  #isExpecting = false;
  /** Ends the work of every second. */
  #end: (() => void) | null = null;
  #halfTimer: NodeJS.Timeout | null = null;

  constructor(
    private readonly moduleRef: ModuleRef,
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly registry: Registry,
    private readonly events: HeartbeatEvents,
    @Optional() private readonly tracing: Tracing = NO_TRACING,
  ) {}

  onApplicationBootstrap(): void {
    this.#job = CronJob.from({
      name: REAPER_JOB,
      cronTime: this.node.options.reaper.cron,
      onTick: async () => void (await this.run()),
      start: true,
      waitForCompletion: true,
      unrefTimeout: true,
      errorHandler: error => this.#logger.error(`the reaper's run failed: ${describeError(error)}`),
    });
    this.#register(this.#job);
    this.#end = this.node.seconds.every(() => this.#expectTwice());
  }

  async onApplicationShutdown(): Promise<void> {
    this.#end?.();
    this.#end = null;
    if (this.#halfTimer !== null) clearTimeout(this.#halfTimer);
    this.#halfTimer = null;
    await this.#job?.stop();
    this.#unregister();
    this.#job = this.#registry = null;
  }

  /** If the host uses the name for another job, the job still runs, but the host's tools do not list it. */
  #register(job: CronJob): void {
    const registry = this.#hostRegistry();
    if (registry.doesExist('cron', REAPER_JOB)) {
      this.#logger.warn(
        `the application has a cron job of its own named ${REAPER_JOB}: the reaper runs, but is not listed in the SchedulerRegistry`,
      );
      return;
    }
    registry.addCronJob(REAPER_JOB, job);
    this.#registry = registry;
  }

  /** `ScheduleModule` empties its registry before this hook, and the host may have removed or replaced the job at any time. */
  #unregister(): void {
    if (this.#registry?.getCronJobs().get(REAPER_JOB) === this.#job) this.#registry?.deleteCronJob(REAPER_JOB);
  }

  /** Runs the task once. Returns whether it ran, which it does not during another run. */
  @Handled()
  async run(): Promise<boolean> {
    if (this.#running) return false;
    this.#running = true;
    const begun = this.node.clock.now();
    const ended = this.tracing.isOn ? this.tracing.begin('websocket.reaper') : undefined;
    try {
      // Pending input is read before connections are judged.
      await new Promise(resolve => setImmediate(resolve));
      let wrong = 0;
      await inSlices(this.connections.all(), connection => {
        wrong += this.registry.repair(connection);
        this.#inspect(connection);
      });
      this.#report('index', wrong + this.registry.sweep());
      for (const sockets of this.connections.socketSets) await inSlices(sockets, transport => this.#disown(transport));
    } finally {
      this.#running = false;
      this.node.totals.reaperRuns.record((this.node.clock.now() - begun) / 1000);
      ended?.({ 'nestjs_heartbeat.connections': this.connections.count });
    }
    return true;
  }

  #inspect(connection: Connection): void {
    if (connection.channel.isClosed) {
      // The socket has closed, but its close event was missed.
      this.connections.closed(connection, CloseCodes.abnormal.code, '');
      return this.#report('registry', 1);
    }
    const { idleTimeoutMs, maxLifetimeMs } = this.node.options.reaper;
    const { expiresAt } = connection.identity ?? {};
    if (expiresAt !== undefined && Number(expiresAt) <= this.node.clock.wallTime(this.node.clock.now()).getTime()) {
      return this.#reap(connection, 'unauthenticated', CloseCodes.unauthenticated, 'expired');
    }
    // A connection whose messages wait unread, or with work, is not idle.
    const isHeldUp = connection.channel.isHalted || connection.hasWork;
    if (idleTimeoutMs > 0 && !isHeldUp && idleMs(connection, this.node.attendedMs) >= idleTimeoutMs) {
      return this.#reap(connection, 'idle', CloseCodes.idle);
    }
    if (maxLifetimeMs > 0 && this.node.clock.now() - connection.openedAt >= this.#lifetimeOf(connection)) {
      this.#reap(connection, 'lifetime', CloseCodes.lifetime);
    }
  }

  /** The deadline of unidentified connections is precise: they lose nothing by it, and there are few of them at a time. */
  #expectTwice(): void {
    if (this.connections.unidentified().size === 0) return;
    void this.expectIdentities();
    this.#halfTimer = setTimeout(() => void this.expectIdentities(), IDENTITY_STEP_MS).unref();
  }

  /** Closes connections that were not identified in time, in slices. Does nothing during another check. */
  @Handled()
  async expectIdentities(): Promise<void> {
    if (this.#isExpecting) return;
    this.#isExpecting = true;
    const { identifyTimeoutMs } = this.node.options.reaper;
    try {
      await inSlices(this.connections.unidentified(), connection => {
        if (this.node.attendedMs - connection.pulse.openedAt < identifyTimeoutMs) return;
        this.#reap(connection, 'unauthenticated', CloseCodes.unauthenticated);
      });
    } finally {
      this.#isExpecting = false;
    }
  }

  /** An open socket without an entry in the registry can be neither listed nor drained, so it is terminated. */
  #disown(transport: TrackedTransport): void {
    if (!transport.isOpen || (transport.tracked && this.connections.has(transport.tracked))) return;
    transport.destroy();
    this.#report('socket', 1);
  }

  /** The lifetime of a connection. It depends only on constants, so that it is the same at every check. */
  #lifetimeOf({ serial }: Connection): number {
    const { maxLifetimeMs, lifetimeJitter } = this.node.options.reaper;
    return maxLifetimeMs * (1 + lifetimeJitter * (2 * placeOf(serial) - 1));
  }

  #reap(
    connection: Connection,
    reason: ReapReason,
    { code, name }: CloseCode,
    kind: ReapReason | 'expired' = reason,
  ): void {
    if (!connection.end({ code, reason: name, by: 'server' }, { kind })) return;
    this.events.announce({ type: 'reaped', id: connection.id, reason });
  }

  #report(kind: DriftKind, count: number): void {
    if (count === 0) return;
    this.#logger.warn(`the registry was inconsistent and was corrected: ${count} ${kind} entries`);
    this.events.announce({ type: 'drift', kind, count });
  }

  /** The host's registry where it has one, so that its tools list the job; otherwise a new one. */
  #hostRegistry(): SchedulerRegistry {
    try {
      return this.moduleRef.get(SchedulerRegistry, { strict: false });
    } catch {
      return new SchedulerRegistry();
    }
  }
}
