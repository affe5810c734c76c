import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

import { capacityChanged } from '../connection/capacity.js';
import { type ChangedLimits, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { UserSlots } from '../connection/ports.js';
import { Registry } from '../connection/registry.js';
import type { LimitKey, LiveLimits } from '../node/live-limits.js';
import { NodeState } from '../node/node-state.js';
import { LimitOverrides, type LimitScope } from './limit-overrides.js';

/** The cause of a change, for its event. */
export interface LimitCause {
  readonly by: string;
  readonly forMs: number | null;
  readonly scope: LimitScope | null;
}

const EXPIRY: LimitCause = { by: 'expiry', forMs: null, scope: null };

/** Time for which counts of users are shared in expectation of a limit that another node is about to set. */
const PREPARED_MS = 10_000;

/** Holds the overrides of limits, and replaces the limits of this node whenever one is set or ends. */
@Injectable()
export class LimitsInForce implements OnApplicationShutdown {
  #overrides: LimitOverrides;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Changes that wait for the counts of users to be shared. */
  #waiting = 0;
  #preparedUntil = -Infinity;
  #isOver = false;

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly slots: UserSlots,
    private readonly events: HeartbeatEvents,
  ) {
    this.#overrides = new LimitOverrides(node.options);
  }

  onApplicationShutdown(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  get overrides(): LimitOverrides {
    return this.#overrides;
  }

  /**
   * Replaces the overrides. They are in force in this turn, except a limit for users where there was none: it is in force when the returned
   * promise resolves, after the counts of all users of this node are shared.
   */
  async set(overrides: LimitOverrides, cause: LimitCause): Promise<void> {
    this.#overrides = overrides;
    const wanted = overrides.inForce(this.node.clock.now());
    if (wanted.maxPerUser === 0 || this.node.limits.maxPerUser > 0) return this.#apply(wanted, cause);
    this.#waiting++;
    this.#apply({ ...wanted, maxPerUser: 0 }, cause);
    await this.slots.share();
    this.#waiting--;
    // Another change may have been made meanwhile.
    this.#apply(this.#overrides.inForce(this.node.clock.now()), cause);
  }

  /** Shares the counts of users, before all nodes set a limit for users. */
  async prepare(): Promise<void> {
    this.#preparedUntil = this.node.clock.now() + PREPARED_MS;
    this.#arm();
    await this.slots.share();
  }

  /** Ends overrides whose time has passed. Called by the timer. @internal */
  expire(): void {
    void this.set(this.#overrides, EXPIRY);
  }

  #apply(limits: LiveLimits, cause: LimitCause): void {
    const before = this.node.limits;
    const keys = Object.keys(limits) as LimitKey[];
    const changed = keys.filter(key => limits[key] !== before[key]);
    if (changed.length > 0) this.node.limits = Object.freeze(limits);
    if (limits.maxPerUser > 0) this.#preparedUntil = -Infinity;
    const isExpected = this.#waiting > 0 || this.#preparedUntil > this.node.clock.now();
    if (limits.maxPerUser === 0 && !isExpected) this.slots.unshare();
    if (limits.maxConnections !== before.maxConnections) capacityChanged(this.node, this.registry.size);
    this.#arm();
    if (changed.length === 0) return;
    const entries = changed.map(key => [key, { before: before[key], after: limits[key] }]);
    this.events.announce({ type: 'limits-changed', limits: Object.fromEntries(entries) as ChangedLimits, ...cause });
  }

  /** One timer for the earliest end. It may fire a little early, and is then armed again. */
  #arm(): void {
    clearTimeout(this.#timer);
    const now = this.node.clock.now();
    const prepared = this.#preparedUntil > now ? this.#preparedUntil : Infinity;
    const at = Math.min(this.#overrides.nextEnd(now), prepared);
    if (at === Infinity || this.#isOver) return;
    this.#timer = setTimeout(() => this.expire(), Math.ceil(at - now)).unref();
  }
}
