import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { handled } from '../base/handled.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';
import { printable } from '../base/printable.js';
import { planGoodbyes, shuffled, spreadOf } from './drain-plan.js';

/** The step of a drain: goodbyes go out in small batches this often. */
const STEP_MS = 10;
/** How long goodbyes may hold the event loop before waiting I/O has its turn. */
const SLICE_MS = 2;
/**
 * Goodbyes of one turn, the next ones after the I/O that waits: each is answered by a close, which costs several times as much,
 * and most at first, while its code is cold.
 */
const GOODBYES_PER_TURN = 4;
/** A drain hurries once it is late by more than this share of what is left of its spread: a part of that in each turn. */
const GRACE = 1 / 20;
const PART_OF_LATE = 1 / 4;
/** How often progress is announced. */
const PROGRESS_MS = 1000;

/** How a drain ended. */
export interface DrainResult {
  /** Connections that were there when the door was shut, or came too late for it. */
  readonly total: number;
  /** Those of them that had to be destroyed at the deadline. */
  readonly terminated: number;
  readonly durationMs: number;
}

/**
 * Says goodbye to everyone, in order: readiness goes 503, the balancer has its time to hear of it, the door is shut, each
 * connection is closed at its own moment, whoever does not answer is destroyed, and the deadline ends the rest. It ends as
 * soon as nobody is left.
 */
@Injectable()
export class DrainService implements OnModuleDestroy {
  readonly #logger = new Logger('Heartbeat');
  #running: Promise<DrainResult> | null = null;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  /** Nest waits here, also for `app.close()` without a signal. */
  async onModuleDestroy(): Promise<void> {
    await this.start('the application closes');
  }

  /** Begins to drain, once; everybody who asks gets the same promise. */
  start(reason: string): Promise<DrainResult> {
    return (this.#running ??= handled(this.#run(reason)));
  }

  /** Destroys the remaining connections in this turn, for a process that ends in it; returns their number. */
  terminateAll(): number {
    const left = [...this.connections.all()];
    for (const connection of left) connection.destroy(terminated);
    return left.length;
  }

  /** The same in slices, between which waiting I/O has its turn: 10,000 take some 250 ms. */
  async #terminateRest(): Promise<number> {
    const left = [...this.connections.all()];
    await inSlices(left, connection => connection.destroy(terminated));
    return left.length;
  }

  async #run(reason: string): Promise<DrainResult> {
    const { clock, options } = this.node;
    const startedAt = clock.now();
    // Synchronously, before anything else: the next probe must see it.
    this.node.draining = true;
    this.#logger.log(`drain begins with ${this.connections.count} connections: ${printable(reason)}`);
    this.events.announce({ type: 'drain-started', connections: this.connections.count, reason });
    const run = new DrainRun(this.connections, this.node, startedAt);
    let total = 0;
    const terminated = await new Promise<number>(resolve => {
      let progressAt = startedAt + PROGRESS_MS;
      const timer = setInterval(() => next ?? step(), STEP_MS);
      const step = () => {
        const now = clock.now();
        if (this.connections.count === 0) return finish(() => 0);
        if (now - startedAt >= options.drain.deadlineMs) return finish(() => this.#terminateRest());
        const isBehind = run.step(now);
        this.node.admissionClosed = run.isBegun;
        // What is due and did not fit into this turn goes out in the next ones, after the I/O that waits.
        if (isBehind)
          next ??= setImmediate(() => {
            next = null;
            if (!ended) step();
          });
        if (now < progressAt) return;
        progressAt += PROGRESS_MS;
        this.events.announce({ type: 'drain-progress', remaining: this.connections.count, total: run.total });
      };
      let ended = false;
      let next: NodeJS.Immediate | null = null;
      // Before the rest is terminated: where no close has begun, the total is the number of connections.
      const finish = (left: () => number | Promise<number>) => {
        ended = true;
        total = run.total;
        clearInterval(timer);
        this.node.admissionClosed = true;
        resolve(left());
      };
      step();
    });
    const result = { total, terminated, durationMs: Math.round(clock.now() - startedAt) };
    this.events.announce({ type: 'drain-ended', ...result });
    const told = `drain ended after ${result.durationMs} ms: ${result.total} connections were told`;
    if (terminated > 0) this.#logger.warn(`${told}, ${terminated} of them had to be terminated at the deadline`);
    else this.#logger.log(told);
    return result;
  }
}

/** One drain's goodbyes: who, and when. */
class DrainRun {
  #targets: Connection[] | null = null;
  #moments: Float64Array = new Float64Array();
  /** Fixed when the closes begin, from the number of connections at that moment. */
  #spreadMs = 0;
  #next = 0;
  /** Connections that had ever been opened when the door was shut; what came later was in the middle of its handshake. */
  #openedBefore = 0;

  constructor(
    private readonly connections: ConnectionService,
    private readonly node: NodeState,
    private readonly startedAt: number,
  ) {}

  /** Whether the door is shut and the goodbyes have begun. */
  get isBegun(): boolean {
    return this.#targets !== null;
  }

  /** Connections that this drain has to do with, those included that came too late for the door. */
  get total(): number {
    if (this.#targets === null) return this.connections.count;
    return this.#targets.length + this.connections.openedCount - this.#openedBefore;
  }

  /** Says some of the goodbyes that are due at `now`; answers whether some are left. */
  step(now: number): boolean {
    const { readinessDelayMs, spreadMs } = this.node.options.drain;
    const elapsed = now - this.startedAt - readinessDelayMs;
    if (elapsed < 0) return false;
    if (this.#targets === null) {
      this.#targets = shuffled(this.connections.all());
      this.#spreadMs = spreadOf(this.#targets.length, spreadMs);
      this.#moments = planGoodbyes(this.#targets.length, this.#spreadMs);
      this.#openedBefore = this.connections.openedCount;
    }
    const passed = elapsed < this.#spreadMs ? elapsed / this.#spreadMs : 1;
    const late = (passed - GRACE * (1 - passed)) * this.#targets.length - this.#next;
    for (let said = 1; this.#next < this.#targets.length && this.#moments[this.#next]! <= elapsed; said++) {
      this.#targets[this.#next++]!.end(goodbye, this.connections.retryAfterMs());
      if (said % GOODBYES_PER_TURN !== 0) continue;
      if (said >= late * PART_OF_LATE || this.node.clock.now() - now > SLICE_MS) return true;
    }
    return false;
  }
}

const terminated = {
  code: CloseCodes.goingAway.code,
  reason: 'terminated at the end of a drain',
  by: 'server',
} as const;
const goodbye = { code: CloseCodes.goingAway.code, reason: CloseCodes.goingAway.name, by: 'server' } as const;
