import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import * as fc from 'fast-check';

import { type HeartbeatEventOf, HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { UserSlots } from '../connection/ports.js';
import type { Registry } from '../connection/registry.js';
import { type LimitKey, liveLimitsOf } from '../node/live-limits.js';
import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { LIMIT_KEYS } from './limit-change.js';
import type { LimitScope } from './limit-overrides.js';
import { LimitsInForce } from './limits-in-force.js';

const OPTIONS = resolveOptions({ limits: { maxConnections: 100, maxPerIp: 20 } });

const nothing = (): void => undefined;

/** Limits of a node whose clock and slots belong to the test. */
class World {
  now = 1000;
  readonly connections = 50;
  readonly calls: string[] = [];
  readonly events: HeartbeatEventOf<'limits-changed'>[] = [];
  readonly node = new NodeState(OPTIONS, { now: () => this.now, wallTime: moment => new Date(moment) });
  readonly inForce: LimitsInForce;
  /** Resolves when the counts of users are shared. */
  shared: Promise<void> = Promise.resolve();

  constructor() {
    const slots = {
      share: async () => {
        this.calls.push('share');
        await this.shared;
        this.calls.push('shared');
      },
      unshare: () => void this.calls.push('unshare'),
    } as unknown as UserSlots;
    const events = new HeartbeatEvents();
    events.ofType('limits-changed').subscribe(event => this.events.push(event));
    this.inForce = new LimitsInForce(this.node, { size: this.connections } as Registry, slots, events);
  }

  set(scope: LimitScope, key: LimitKey, value: number | null, forMs: number | null = null): Promise<void> {
    const endsAt = forMs === null ? Infinity : this.now + forMs;
    const next = this.inForce.overrides.with(scope, [[key, { value, endsAt, by: 'ops', forMs, stamp: this.now }]]);
    return this.inForce.set(next, { by: 'ops', forMs, scope });
  }

  pass(ms: number): void {
    this.now += ms;
    jest.advanceTimersByTime(ms);
  }
}

describe('LimitsInForce', () => {
  let world: World;
  beforeEach(() => {
    jest.useFakeTimers();
    world = new World();
  });
  afterEach(() => {
    world.inForce.onApplicationShutdown();
    const timers = jest.getTimerCount();
    jest.useRealTimers();
    if (timers > 0) throw new Error(`${timers} timers are left`);
  });

  it('replaces the limits in the turn of the change, and again at its end, with an event for each', () => {
    void world.set('node', 'maxPerIp', 5, 500);
    expect(world.node.limits).toEqual({ ...liveLimitsOf(OPTIONS), maxPerIp: 5 });
    expect(Object.isFrozen(world.node.limits)).toBe(true);
    world.pass(499);
    expect(world.node.limits.maxPerIp).toBe(5);
    world.pass(1);
    expect(world.node.limits.maxPerIp).toBe(20);
    expect(world.events).toMatchObject([
      { limits: { maxPerIp: { before: 20, after: 5 } }, by: 'ops', forMs: 500, scope: 'node' },
      { limits: { maxPerIp: { before: 5, after: 20 } }, by: 'expiry', forMs: null, scope: null },
    ]);
  });

  it('publishes no event where no limit in force changes', () => {
    void world.set('node', 'maxPerIp', 5);
    void world.set('all', 'maxPerIp', 7);
    void world.set('node', 'maxPerIp', 5, 100);
    expect(world.events).toHaveLength(1);
    world.pass(100);
    expect(world.events.at(-1)).toMatchObject({ limits: { maxPerIp: { before: 5, after: 7 } }, by: 'expiry' });
  });

  it('has one timer, also for the longest time', () => {
    void world.set('node', 'maxPerIp', 5, 2 ** 31 - 1);
    void world.set('node', 'maxPerUser', 0, 50);
    void world.set('all', 'messagesPerSecond', 5, 100);
    expect(jest.getTimerCount()).toBe(1);
    world.pass(100);
    expect([world.node.limits.maxPerIp, jest.getTimerCount()]).toEqual([5, 1]);
    world.pass(2 ** 31 - 1);
    expect([world.node.limits.maxPerIp, jest.getTimerCount()]).toEqual([20, 0]);
  });

  it('waits on where its timer fires early', () => {
    void world.set('node', 'maxPerIp', 5, 100);
    jest.advanceTimersByTime(100);
    expect([world.node.limits.maxPerIp, jest.getTimerCount()]).toEqual([5, 1]);
    world.pass(100);
    expect(world.node.limits.maxPerIp).toBe(20);
  });

  it('decides again about the capacity only where maxConnections changes', () => {
    void world.set('node', 'maxConnections', 50);
    expect(world.node.atCapacity).toBe(true);
    void world.set('node', 'maxConnections', 51);
    expect(world.node.atCapacity).toBe(false);
    world.node.atCapacity = true;
    void world.set('node', 'maxPerIp', 5);
    expect(world.node.atCapacity).toBe(true);
  });

  describe('with a limit for users', () => {
    it('shares the counts before it applies, and applies the other limits at once', async () => {
      let shared = nothing;
      world.shared = new Promise(resolve => (shared = resolve));
      const { overrides } = world.inForce;
      const value = { endsAt: Infinity, by: 'ops', forMs: null, stamp: 0 };
      const done = world.inForce.set(
        overrides.with('node', [
          ['maxPerUser', { ...value, value: 3 }],
          ['maxPerIp', { ...value, value: 5 }],
        ]),
        { by: 'ops', forMs: null, scope: 'node' },
      );
      expect([world.node.limits.maxPerUser, world.node.limits.maxPerIp, world.calls]).toEqual([0, 5, ['share']]);
      shared();
      await done;
      expect([world.node.limits.maxPerUser, world.calls]).toEqual([3, ['share', 'shared']]);
      void world.set('node', 'maxPerUser', 4);
      expect([world.node.limits.maxPerUser, world.calls]).toEqual([4, ['share', 'shared']]);
      void world.set('node', 'maxPerUser', null);
      expect(world.calls.at(-1)).toBe('unshare');
    });

    it('follows a removal while the counts are shared', async () => {
      let shared = nothing;
      world.shared = new Promise(resolve => (shared = resolve));
      const done = world.set('node', 'maxPerUser', 3);
      void world.set('node', 'maxPerUser', null);
      expect(world.calls).toEqual(['share']);
      shared();
      await done;
      expect([world.node.limits.maxPerUser, world.calls.at(-1)]).toEqual([0, 'unshare']);
    });

    it('shares the counts in expectation of one, and stops after ten seconds without one', async () => {
      await world.inForce.prepare();
      void world.set('node', 'maxPerIp', 1);
      world.pass(9999);
      expect(world.calls).toEqual(['share', 'shared']);
      world.pass(1);
      expect(world.calls).toEqual(['share', 'shared', 'unshare']);
    });
  });

  it('equals a model after any sequence of changes, removals and pauses', () => {
    const change = fc.record({
      scope: fc.constantFrom<LimitScope>('node', 'all'),
      key: fc.constantFrom(...LIMIT_KEYS.filter(key => key !== 'maxPerUser')),
      value: fc.option(fc.integer({ min: 20, max: 100 }).map(number => number / 100)),
      forMs: fc.option(fc.integer({ min: 1, max: 100 })),
      pauseMs: fc.integer({ min: 0, max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), changes => {
        const tried = new World();
        /** Every change that was made, in its order. */
        const log: { scope: LimitScope; key: LimitKey; value: number | null; at: number; endsAt: number }[] = [];
        for (const { scope, key, value, forMs, pauseMs } of changes) {
          log.push({ scope, key, value, at: tried.now, endsAt: forMs === null ? Infinity : tried.now + forMs });
          void tried.set(scope, key, value, forMs);
          tried.pass(pauseMs);
          const last = (scopeOf: LimitScope, name: LimitKey) => {
            const found = log.findLast(each => each.scope === scopeOf && each.key === name);
            return found !== undefined && found.endsAt > tried.now ? found.value : null;
          };
          const options = liveLimitsOf(OPTIONS);
          const pairOf = (...scopes: LimitScope[]) =>
            (['refuseAbove', 'shedAbove'] as const).map(name => {
              const values = scopes.map(each => last(each, name));
              return values.find(each => each !== null) ?? options[name];
            }) as [number, number];
          const pair = [pairOf('node', 'all'), pairOf('all'), pairOf()].find(([refuse, shed]) => refuse < shed)!;
          const rest = LIMIT_KEYS.map(name => [name, last('node', name) ?? last('all', name) ?? options[name]]);
          expect(tried.node.limits).toEqual({
            ...Object.fromEntries(rest),
            refuseAbove: pair[0],
            shedAbove: pair[1],
          });
        }
        tried.inForce.onApplicationShutdown();
      }),
      { numRuns: 300 },
    );
  });
});
