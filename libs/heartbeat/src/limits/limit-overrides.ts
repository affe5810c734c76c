import { impossiblePairs, type PairProblem } from '../options/option-pairs.js';
import type { ResolvedOptions } from '../options/heartbeat.options.js';
import { type LimitKey, type LiveLimits, liveLimitsOf, withLimits } from '../node/live-limits.js';

/** `node`: overrides of this node, which end with its process. `all`: overrides of all nodes, which are stored in Redis. */
export type LimitScope = 'node' | 'all';

/** A value instead of that of the option. */
export interface LimitOverride {
  /** Null where the override was removed: then there is none, and an earlier one of another node cannot return. */
  readonly value: number | null;
  /** The time of its end, by the clock of this node; infinite without one. */
  readonly endsAt: number;
  /** The name of the operator, or `application`. */
  readonly by: string;
  /** The time for which it was set; null without an end. */
  readonly forMs: number | null;
  /** Of two overrides of all nodes the one with the higher stamp is in force: the time of the change, by the store's clock. */
  readonly stamp: number;
}

type Overrides = ReadonlyMap<LimitKey, LimitOverride>;

/** A fault of limits together, and the time from which on it exists. */
export interface FutureProblem extends PairProblem {
  readonly at: number;
}

/**
 * The overrides of limits, unchangeable. An override of this node is before one of all nodes, which is before the option. A pair that is
 * impossible, such as `refuseAbove` above `shedAbove`, is never in force: both of its limits are then those of all nodes, and if these are
 * impossible too, the options. Checks at the change keep this from being necessary, except where the options of nodes differ.
 */
export class LimitOverrides {
  constructor(
    private readonly options: ResolvedOptions,
    private readonly layers: Readonly<Record<LimitScope, Overrides>> = { node: new Map(), all: new Map() },
  ) {}

  /** The overrides of a scope, with those that were removed or have ended. */
  of(scope: LimitScope): Overrides {
    return this.layers[scope];
  }

  /** A copy with other overrides in a scope. */
  with(scope: LimitScope, changes: Iterable<readonly [LimitKey, LimitOverride]>): LimitOverrides {
    return new LimitOverrides(this.options, { ...this.layers, [scope]: new Map([...this.layers[scope], ...changes]) });
  }

  /** The overrides of all nodes among `entries` that are later than the known ones. */
  later(entries: Iterable<readonly [LimitKey, LimitOverride]>): (readonly [LimitKey, LimitOverride])[] {
    return [...entries].filter(([key, { stamp }]) => stamp > (this.layers.all.get(key)?.stamp ?? 0));
  }

  /** The limits in force at a time. */
  inForce(now: number): LiveLimits {
    let limits = this.#merged(now, ['node', 'all']);
    for (const scopes of [['all'], []] as const) {
      const broken = new Set(impossiblePairs(withLimits(this.options, limits)).flatMap(({ keys }) => keys.map(nameOf)));
      if (broken.size === 0) break;
      const lower = Object.entries(this.#merged(now, scopes)).filter(([key]) => broken.has(key));
      limits = { ...limits, ...Object.fromEntries(lower) };
    }
    return limits;
  }

  /** The earliest end of an override after `now`; infinite without one. */
  nextEnd(now: number): number {
    return Math.min(Infinity, ...this.#ends(now));
  }

  /** Impossible pairs of limits, now or when an override will have ended; each once. */
  problems(now: number): FutureProblem[] {
    const found = [now, ...this.#ends(now).toSorted((one, other) => one - other)].flatMap(at =>
      impossiblePairs(withLimits(this.options, this.#merged(at, ['node', 'all']))).map(problem => ({ ...problem, at })),
    );
    return [...new Map(found.toReversed().map(problem => [problem.key, problem])).values()].toReversed();
  }

  #ends(now: number): number[] {
    const all = [...this.layers.node.values(), ...this.layers.all.values()];
    const ends = all.flatMap(({ value, endsAt }) => (value === null ? [] : [endsAt]));
    return ends.filter(endsAt => endsAt > now && endsAt < Infinity);
  }

  #merged(now: number, scopes: readonly LimitScope[]): LiveLimits {
    const limits: Record<LimitKey, number> = { ...liveLimitsOf(this.options) };
    for (const scope of scopes.toReversed()) {
      for (const [key, { value, endsAt }] of this.layers[scope]) {
        if (value !== null && endsAt > now) limits[key] = value;
      }
    }
    return limits;
  }
}

/** The name of a limit, without the group of its option. */
export function nameOf(option: string): string {
  return option.slice(option.indexOf('.') + 1);
}
