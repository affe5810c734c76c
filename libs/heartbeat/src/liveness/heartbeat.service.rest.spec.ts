import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Peer, World } from '../../../../test/support/servers/liveness-world.js';

const INTERVAL = 25_000;
const TIMEOUT = 10_000;
/** The second of tolerance in docs/guarantees.md, Liveness. */
const SLACK = 1000;
/** The finest step of the clock. */
const STEP_MS = 10;

describe('HeartbeatService, without a connection', () => {
  let world: World;
  let ticks: jest.SpiedFunction<World['heartbeat']['tick']>;

  beforeEach(() => {
    jest.useFakeTimers();
    world = new World();
    ticks = jest.spyOn(world.heartbeat, 'tick');
    world.heartbeat.onApplicationBootstrap();
  });

  afterEach(() => {
    world.heartbeat.onApplicationShutdown();
    if (jest.getTimerCount() > 0) throw new Error('a timer is left');
    jest.useRealTimers();
  });

  /** Time passes, for the clock as for the timers. */
  function pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      world.time += STEP_MS;
      jest.advanceTimersByTime(STEP_MS);
    }
  }

  /** The event loop is blocked: the timers that were due fire once, late. */
  function stall(ms: number): void {
    world.time += ms;
    jest.advanceTimersToNextTimer();
  }

  /** A client opens a connection, as the gateway layer does it. */
  function open(): Peer {
    world.heartbeat.wake();
    return new Peer(world);
  }

  function ticksIn(ms: number): number {
    const before = ticks.mock.calls.length;
    pass(ms);
    return ticks.mock.calls.length - before;
  }

  function untilDestroyed(peer: Peer): number {
    for (let left = 100_000; peer.destroyedAt === null && left > 0; left -= STEP_MS) pass(STEP_MS);
    expect(peer.destroyedAt).not.toBeNull();
    return world.time;
  }

  it('ticks once a second, and every 50 ms with a connection', () => {
    pass(1000);
    expect(ticksIn(10_000)).toBe(10);
    const peer = open();
    expect(ticksIn(10_000)).toBe(200);
    world.connections.closed(peer.connection, 1000, '');
    pass(50);
    expect(ticksIn(10_000)).toBe(10);
  });

  it('keeps attended time, the age of the last tick and the samples of lateness true', () => {
    const { totals } = world.node;
    const before = world.node.attendedMs;
    for (let second = 0; second < 60; second++) {
      pass(1000);
      expect(world.heartbeat.sinceTickMs).toBeLessThanOrEqual(1000);
    }
    expect(world.node.attendedMs - before).toBeGreaterThan(59_000);
    expect(world.node.attendedMs - before).toBeLessThanOrEqual(60_000);
    expect([world.node.recentStallMs, totals.lateness.sum]).toEqual([0, 0]);
    expect(totals.lateness.count).toBeGreaterThanOrEqual(60);
  });

  it.each([10, 500, 990])('opens the first connection at the current attended time, %d ms after a tick', sinceMs => {
    pass(60_050);
    pass(1000 - world.heartbeat.sinceTickMs + sinceMs);
    const { openedAt } = open().connection.pulse;
    expect(openedAt).toBe(world.node.attendedMs);
    expect(world.heartbeat.sinceTickMs).toBe(0);
    expect(openedAt).toBe(world.time - 5000);
  });

  it('detects that the first connection is dead within the promised bound, and pings it within the interval', () => {
    pass(63_370);
    const peer = open();
    peer.answers = false;
    const openedAt = world.time;
    const took = untilDestroyed(peer) - openedAt;
    expect(took).toBeGreaterThanOrEqual(2 * TIMEOUT);
    expect(took).toBeLessThanOrEqual(INTERVAL + 2 * TIMEOUT + SLACK);
  });

  it('attends one step of a stall, and reports what was lost', () => {
    pass(10_050);
    const before = world.node.attendedMs;
    stall(30_000);
    expect(world.node.attendedMs - before).toBeLessThanOrEqual(1050);
    expect(world.node.recentStallMs).toBeGreaterThanOrEqual(30_000 - 1050);
    pass(3000);
    expect(world.node.recentStallMs).toBe(0);
  });

  it('counts a stall of which the first connection ends the rest, before the timer has fired', () => {
    pass(10_050);
    const before = world.node.attendedMs;
    world.time += 30_000;
    const { pulse } = open().connection;
    expect(pulse.openedAt - before).toBeLessThanOrEqual(1050);
    expect(world.node.recentStallMs).toBeGreaterThanOrEqual(30_000 - 1050);
  });

  it('rests on while no connection is left of a drain', () => {
    const peer = open();
    pass(1000);
    world.node.draining = true;
    peer.connection.end({ code: 1001, reason: 'going away', by: 'server' }, { kind: 'drained', reason: null });
    expect(ticksIn(1000)).toBe(20);
    world.connections.closed(peer.connection, 1001, '');
    pass(50);
    expect(ticksIn(5000)).toBe(5);
  });

  it('does not tick after the shutdown, even for a connection that opens', () => {
    pass(2000);
    world.heartbeat.onApplicationShutdown();
    open();
    expect(ticksIn(5000)).toBe(0);
  });
});
