import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';

import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import type { StoredLimit } from '../messaging/limit-store.js';
import { parseBy } from '../messaging/wire.js';
import type { LimitKey } from '../node/live-limits.js';
import { NodeState } from '../node/node-state.js';
import { limitOf } from './limit-change.js';
import type { LimitOverride } from './limit-overrides.js';
import { LimitsInForce } from './limits-in-force.js';

/** An override as Redis stores it. */
const stored = z.object({ value: z.number().nullable(), by: z.string().max(1000), forMs: z.number().nullable() });

/**
 * Shares the overrides for all nodes by Redis. A node sends all that it knows and takes all that Redis has; of each limit the later change
 * is kept on both sides. So a node that starts, or that missed a change, takes it at the next renewal of its lease, within a second. While
 * Redis is lost the known overrides stay in force, and changes are sent on its return. A Redis that was emptied receives them again.
 */
@Injectable()
export class SharedLimits {
  #version: number | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly node: NodeState,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly membership: ClusterMembership,
    private readonly inForce: LimitsInForce,
  ) {
    if (!bus.isShared) return;
    membership.renewals.subscribe(({ isNew, limitVersion }) => {
      if (isNew || limitVersion !== this.#version) void this.exchange();
    });
  }

  /** Resolves when the exchanges that have begun are over. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** Sends and takes changes, after exchanges that have begun. Resolves when they are in force. A failure is counted. */
  exchange(): Promise<void> {
    this.#last = this.#last.then(async () => this.#exchange());
    return this.#last;
  }

  /** The stamp of a change that is made now: later than each change that this node knows. */
  nextStamp(): number {
    const known = [...this.inForce.overrides.of('all').values()].map(({ stamp }) => stamp);
    return Math.max(Math.round(this.membership.storeTime(this.node.clock.now())), ...known.map(stamp => stamp + 1));
  }

  async #exchange(): Promise<void> {
    if (!this.bus.isUp) return;
    try {
      const now = this.node.clock.now();
      const known = [...this.inForce.overrides.of('all')].map(([key, override]) => encoded(key, override, now));
      const { version, entries } = await this.bus.limits.exchange(known);
      this.#version = version;
      await this.#take(entries);
    } catch (error) {
      // The next renewal finds the difference again.
      this.#version = null;
      this.membership.failed('limits', error);
    }
  }

  /** The limits of one change have the same stamp, and become one event. */
  async #take(entries: readonly StoredLimit[]): Promise<void> {
    const now = this.node.clock.now();
    const read = entries.flatMap(entry => this.#decoded(entry, now) ?? []);
    const stamps = new Set(read.map(([, { stamp }]) => stamp));
    for (const stamp of [...stamps].toSorted((one, other) => one - other)) {
      const later = this.inForce.overrides.later(read.filter(([, override]) => override.stamp === stamp));
      const [first] = later;
      if (first === undefined) continue;
      const { by, forMs } = first[1];
      await this.inForce.set(this.inForce.overrides.with('all', later), { by, forMs, scope: 'all' });
    }
  }

  /** Undefined for a limit that this version does not know, or an impossible value. */
  #decoded({ key, stamp, forMs, text }: StoredLimit, now: number): [readonly [LimitKey, LimitOverride]] | undefined {
    const content = parseBy(stored, text);
    const limit = content && limitOf(key, content.value);
    if (content === null || limit === null) {
      this.membership.failed('message');
      return undefined;
    }
    const endsAt = forMs === null ? Infinity : now + forMs;
    return [[limit.key, { value: limit.value, endsAt, by: content.by, forMs: content.forMs, stamp }]];
  }
}

function encoded(key: LimitKey, { value, endsAt, by, forMs, stamp }: LimitOverride, now: number): StoredLimit {
  const left = endsAt === Infinity ? null : Math.max(0, endsAt - now);
  return { key, stamp, forMs: left, text: JSON.stringify({ value, by, forMs } satisfies z.input<typeof stored>) };
}
