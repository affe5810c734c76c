import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { Handled } from '../base/handled.js';
import type { Problem } from '../base/heartbeat.error.js';
import { callOf } from '../connection/application-call.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';
import type { LimitKey, LiveLimits } from '../node/live-limits.js';
import { NodeState } from '../node/node-state.js';
import { badLimits, checkedChange, type LimitChange, type LimitChangeOptions } from './limit-change.js';
import { type LimitOverride, type LimitOverrides, nameOf } from './limit-overrides.js';
import { LIMIT_REQUEST, LIMITS_REQUEST, type LimitReply, PREPARE_REQUEST } from './limit-wire.js';
import { LimitsInForce } from './limits-in-force.js';
import { SharedLimits } from './shared-limits.js';

/** A node and the limits in force there. */
export interface LimitedNode {
  readonly id: string;
  /** `rejected`: the limits are impossible together with the options of the node. `timeout`, `error`: it did not reply. */
  readonly status: 'ok' | 'rejected' | 'timeout' | 'error';
  /** The limits in force after the change; null without a reply. */
  readonly limits: LiveLimits | null;
  /** The reasons of a rejection. The limits that they name have the value that the node would have without the change. */
  readonly problems: readonly Problem[];
  /** What will not have the expected effect, such as more connections than files may be open. */
  readonly warnings: readonly string[];
}

export interface LimitChangeResult {
  /** The end of the change; null where it lasts until the process ends, or until it is removed. */
  readonly endsAt: Date | null;
  /** The limits in force before: of the node that was to change, and for `all` of this one. */
  readonly before: LiveLimits;
  /** The node that was to change; for `all` this one first, then the others. */
  readonly nodes: readonly LimitedNode[];
}

/**
 * Limits that change while nodes run. An override of a node ends with its process. One for `all` is stored in Redis: nodes that start later,
 * and those that missed it, take it. That of a node itself is before one for `all`, and both are before the option. A lower limit closes no
 * connection.
 */
@Injectable()
export class LimitService {
  readonly #ofOne;
  readonly #prepare;
  readonly #take;

  constructor(
    private readonly node: NodeState,
    private readonly inForce: LimitsInForce,
    private readonly shared: SharedLimits,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    private readonly events: HeartbeatEvents,
    requests: NodeRequests,
  ) {
    this.#ofOne = requests.handle('limit', LIMIT_REQUEST, request => this.#changeOwn(request));
    this.#prepare = requests.handle('prepare-limits', PREPARE_REQUEST, async () => {
      await inForce.prepare();
      return {};
    });
    this.#take = requests.handle('limits', LIMITS_REQUEST, request => this.#takeShared(request));
  }

  /** The limits in force on this node. */
  get limits(): LiveLimits {
    return this.node.limits;
  }

  /**
   * Changes limits of this node, of another one, or of all. Resolves when they are in force, also where a node does not reply.
   * @throws HeartbeatError `HEARTBEAT_BAD_LIMITS` (as a rejection) with every problem: nothing was changed. `HEARTBEAT_NODE_SILENT` where
   * the one node does not reply.
   */
  @Handled()
  async change(limits: LimitChange, options: LimitChangeOptions = {}): Promise<LimitChangeResult> {
    const result = await this.make(limits, options);
    const { before, nodes } = result;
    const target = options.node === 'all' ? 'all' : nodes[0]!.id;
    const call = callOf('change-limits', target, 'done', { ...limits, ...options });
    this.events.calls.next({ ...call, before, after: nodes[0]!.limits ?? {} });
    return result;
  }

  /** The same, for the admin API, which records its own changes. @internal */
  @Handled()
  async make(limits: LimitChange, options: LimitChangeOptions): Promise<LimitChangeResult> {
    const checked = checkedChange(limits, options);
    const { forMs = null, node: named, by = 'application' } = checked.options;
    const request = { limits: Object.fromEntries(checked.limits), forMs, by };
    if (named === 'all') return this.#changeAll(checked.limits, { forMs, by });
    const id = await this.directory.find(named);
    if (id === undefined) {
      const rule = 'must be the id or the name of a node, or "all"';
      throw badLimits([{ key: 'node', value: named, rule, remedy: 'correct it, or leave it out for this node' }]);
    }
    const endsAt = this.#endOf(forMs);
    const { problems, before, ...reply } = await this.#ofOne.sendToOne(id, request);
    if (problems.length > 0) throw badLimits(problems);
    return { endsAt, before, nodes: [{ id, status: 'ok', problems, limits: reply.limits, warnings: reply.warnings }] };
  }

  async #changeOwn({ limits, forMs, by }: z.output<typeof LIMIT_REQUEST.request>): Promise<LimitReply> {
    // Of another version, or of a node whose options have other rules.
    const { limits: entries } = checkedChange(limits, {});
    const before = this.node.limits;
    const next = this.inForce.overrides.with('node', this.#overrides(entries, { forMs, by, stamp: 0 }));
    const problems = this.#problemsOf(next, entries);
    if (problems.length === 0) await this.inForce.set(next, { by, forMs, scope: 'node' });
    return { ...this.#reply(entries, problems), before };
  }

  /** This node first: the store and other nodes get no change that is impossible here. */
  async #changeAll(
    entries: readonly (readonly [LimitKey, number | null])[],
    { forMs, by }: { readonly forMs: number | null; readonly by: string },
  ): Promise<LimitChangeResult> {
    const since = this.node.clock.now();
    const others = await this.directory.others();
    const before = this.node.limits;
    const withChange = () => {
      const stamp = this.shared.nextStamp();
      return { stamp, next: this.inForce.overrides.with('all', this.#overrides(entries, { forMs, by, stamp })) };
    };
    const problems = this.#problemsOf(withChange().next, entries);
    if (problems.length > 0) throw badLimits(problems);
    if (entries.some(([key, value]) => key === 'maxPerUser' && value !== 0)) {
      // The limit is exact from its beginning on only if all nodes share their counts before any of them applies it.
      await Promise.all([this.inForce.prepare(), this.#prepare.send(this.directory.reachable(others), {}, since)]);
    }
    const { stamp, next } = withChange();
    await this.inForce.set(next, { by, forMs, scope: 'all' });
    await this.shared.exchange();
    const keys = entries.map(([key]) => key);
    const outcomes = await this.#take.send(this.directory.reachable(others), { keys, stamp });
    const own: LimitedNode = { id: this.node.id, status: 'ok', ...this.#reply(entries, []) };
    const nodes = others.map(({ id }): LimitedNode => {
      const outcome = outcomes.get(id) ?? { status: 'timeout' };
      if (outcome.status !== 'ok') return { id, status: outcome.status, limits: null, problems: [], warnings: [] };
      return { id, status: outcome.body.problems.length === 0 ? 'ok' : 'rejected', ...outcome.body };
    });
    return { endsAt: this.#endOf(forMs), before, nodes: [own, ...nodes] };
  }

  /** Another node has stored a change for all. */
  async #takeShared({ keys, stamp }: z.output<typeof LIMITS_REQUEST.request>): Promise<Omit<LimitReply, 'before'>> {
    await this.shared.exchange();
    const { overrides } = this.inForce;
    const isTaken = keys.every(key => (overrides.of('all').get(key)?.stamp ?? 0) >= stamp);
    if (!isTaken) throw new Error('the change of limits could not be fetched');
    const entries = keys.map(key => [key, overrides.of('all').get(key)!.value] as const);
    return this.#reply(entries, this.#problemsOf(overrides, entries));
  }

  #overrides(
    entries: readonly (readonly [LimitKey, number | null])[],
    { forMs, by, stamp }: Pick<LimitOverride, 'forMs' | 'by' | 'stamp'>,
  ): (readonly [LimitKey, LimitOverride])[] {
    const endsAt = forMs === null ? Infinity : this.node.clock.now() + forMs;
    return entries.map(([key, value]) => [key, { value, endsAt, by, forMs, stamp }]);
  }

  /** Impossible pairs to which a changed limit belongs. */
  #problemsOf(overrides: LimitOverrides, entries: readonly (readonly [LimitKey, unknown])[]): Problem[] {
    const now = this.node.clock.now();
    const changed = new Set<string>(entries.map(([key]) => key));
    return overrides.problems(now).flatMap(({ key, keys, value, rule, remedy, at }) => {
      if (!keys.some(each => changed.has(nameOf(each)))) return [];
      const later =
        at > now ? ` (in ${Math.round(at - now)} ms, when an override ends and it is ${String(value)})` : '';
      return [{ key: nameOf(key), value, rule: rule + later, remedy }];
    });
  }

  #reply(
    entries: readonly (readonly [LimitKey, number | null])[],
    problems: readonly Problem[],
  ): Pick<LimitReply, 'limits' | 'problems' | 'warnings'> {
    const { limits, socketRoom } = this.node;
    const isAbove = entries.some(([key]) => key === 'maxConnections') && limits.maxConnections > socketRoom;
    const warnings = isAbove
      ? [
          `maxConnections is ${limits.maxConnections}, but the limit of open files of this process leaves ${socketRoom} sockets for clients: ` +
            'raise the limit of open files (ulimit -n) before the next start',
        ]
      : [];
    return { limits, problems: [...problems], warnings };
  }

  #endOf(forMs: number | null): Date | null {
    const { clock } = this.node;
    return forMs === null ? null : clock.wallTime(clock.now() + forMs);
  }
}
