import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { type DrainClient, DrainWorld, turn } from '../../../../test/support/servers/drain-world.js';

Logger.overrideLogger(false);

const begunBy = (clients: readonly DrainClient[], time: number) =>
  clients.filter(({ closedAt }) => closedAt !== null && closedAt <= time).length;

/** The closes that have begun after each 10 ms of a period, on an event loop with `turns` turns in 10 ms. */
async function paceOf(count: number, ms: number, turns: number) {
  const world = new DrainWorld();
  const clients = world.open(count, false);
  world.start();
  const closed = [];
  for (let passed = 0; passed < ms; passed += 10) {
    world.time += 10;
    jest.advanceTimersByTime(10);
    for (let each = 0; each < turns; each++) await turn();
    closed.push(begunBy(clients, world.time));
  }
  return closed;
}

describe('DrainService', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('fails readiness at once, and publishes its start', async () => {
    const world = new DrainWorld();
    world.open(3);
    world.start();
    expect(world.node.draining).toBe(true);
    expect(world.of('drain-started')).toEqual([{ type: 'drain-started', connections: 3, reason: 'a deploy' }]);
  });

  it('ends at once on a node without a connection', async () => {
    const world = new DrainWorld({ readinessDelayMs: 5000 });
    world.start();
    await world.pass(0);
    expect(world.result).toEqual({ total: 0, terminated: 0, durationMs: 0 });
    expect(world.node.admissionClosed).toBe(true);
  });

  it('keeps admission open for readinessDelayMs, and closes the connections of that time too', async () => {
    const world = new DrainWorld({ readinessDelayMs: 3000 });
    const clients = world.open(20);
    world.start();
    await world.pass(2900);
    expect([world.node.admissionClosed, begunBy(clients, world.time)]).toEqual([false, 0]);
    clients.push(...world.open(20));
    await world.pass(120);
    expect(world.node.admissionClosed).toBe(true);
    await world.pass(5000);
    expect([begunBy(clients, world.time), world.result?.total]).toEqual([40, 40]);
  });

  it('closes every connection with 1001 and its own delay', async () => {
    const world = new DrainWorld();
    const clients = world.open(50);
    world.start();
    await world.pass(5100);
    const delays = clients.map(({ reason }) => Number(/^server is going away; retry-after=(\d+)$/.exec(reason)?.[1]));
    expect(delays.every(delay => delay >= 0 && delay <= 10_000)).toBe(true);
    expect(new Set(delays).size).toBeGreaterThan(40);
    expect(
      world.connections.closedHistory().every(({ code, closedBy }) => code === 1001 && closedBy === 'server'),
    ).toBe(true);
  });

  it('closes and destroys with closeCode where that is set', async () => {
    const world = new DrainWorld({ closeCode: 1012, deadlineMs: 8000 });
    const clients = world.open(3);
    world.open(2, false);
    world.start();
    await world.pass(8000);
    expect(clients.map(({ code }) => code)).toEqual([1012, 1012, 1012]);
    expect(clients[0]?.reason).toMatch(/^server is going away; retry-after=/);
    expect(world.connections.closedHistory().map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => 1012));
  });

  it('closes each connection at its own moment: evenly over the spread, in a different order than they were opened', async () => {
    const world = new DrainWorld();
    const clients = world.open(100);
    world.start();
    await world.pass(5100);
    for (const share of [0.2, 0.4, 0.6, 0.8, 1]) {
      expect(Math.abs(begunBy(clients, share * 5000 + 20) - share * 100)).toBeLessThanOrEqual(2);
    }
    const moments = clients.map(({ closedAt }) => closedAt!);
    expect(moments).not.toEqual(moments.toSorted((left, right) => left - right));
  });

  it.each([
    [1, 10],
    [3, 30],
    [50, 500],
    [400, 4000],
    [500, 5000],
    [3000, 5000],
  ])('spreads the closes of %d connections over %d ms by default', async (count, spreadMs) => {
    const world = new DrainWorld({ spreadMs: undefined });
    const clients = world.open(count);
    world.start();
    await world.pass(spreadMs / 2);
    expect(Math.abs(begunBy(clients, world.time) - count / 2)).toBeLessThanOrEqual(Math.max(3, count / 20));
    await world.pass(spreadMs + 30 - world.time);
    expect(begunBy(clients, world.time)).toBe(count);
    await world.pass(20);
    expect(world.result?.total).toBe(count);
  });

  it('bases the default spread on the number of connections when the closes begin, not when the drain begins', async () => {
    const world = new DrainWorld({ spreadMs: undefined, readinessDelayMs: 1000 });
    const clients = world.open(1);
    world.start();
    await world.pass(900);
    clients.push(...world.open(99));
    await world.pass(600);
    expect(Math.abs(begunBy(clients, world.time) - 50)).toBeLessThanOrEqual(3);
    await world.pass(550);
    expect(world.result).toMatchObject({ total: 100, terminated: 0 });
  });

  it('ends with the closing handshakes of a few clients, not after the longest spread', async () => {
    const world = new DrainWorld({ spreadMs: undefined });
    const clients = world.open(3, false);
    world.start();
    await world.pass(40);
    expect(begunBy(clients, world.time)).toBe(3);
    for (const { connection } of clients) connection.channel.destroy();
    await world.pass(20);
    expect(world.result).toEqual({ total: 3, terminated: 0, durationMs: 50 });
  });

  it('ends as soon as no connection is left', async () => {
    const world = new DrainWorld();
    const clients = world.open(5);
    world.start();
    await world.pass(500);
    for (const { connection } of clients) connection.close();
    await world.pass(20);
    expect(world.result).toEqual({ total: 5, terminated: 0, durationMs: 510 });
    expect(jest.getTimerCount()).toBe(0);
    expect(world.of('drain-ended')).toEqual([{ type: 'drain-ended', total: 5, terminated: 0, durationMs: 510 }]);
  });

  it('destroys the rest at the deadline, counts it, and keeps the recorded close where one had begun', async () => {
    const world = new DrainWorld({ deadlineMs: 8000 });
    const [silent, others] = [world.open(3, false), world.open(4)];
    world.start();
    await world.pass(7980);
    expect([begunBy(silent, world.time), world.result]).toEqual([3, undefined]);
    await world.pass(20);
    expect(silent.every(({ terminated }) => terminated)).toBe(true);
    expect(others.some(({ terminated }) => terminated)).toBe(false);
    expect(world.result).toEqual({ total: 7, terminated: 3, durationMs: 8000 });
    expect(world.connections.closedHistory()[0]).toMatchObject({ code: 1001, reason: 'server is going away' });
  });

  it('counts the connections that it terminates, also where a stall left no time for closes', async () => {
    const world = new DrainWorld({ readinessDelayMs: 100, spreadMs: 100, closeTimeoutMs: 100, deadlineMs: 900 });
    // More than one slice contains.
    world.open(100, false);
    world.start();
    world.time += 950;
    await world.pass(50);
    expect(world.result).toMatchObject({ total: 100, terminated: 100 });
  });

  it('publishes its progress every second', async () => {
    const world = new DrainWorld();
    world.open(10, false);
    world.start();
    await world.pass(3500);
    expect(world.of('drain-progress')).toEqual(
      Array.from({ length: 3 }, () => ({ type: 'drain-progress', remaining: 10, total: 10 })),
    );
    expect(world.drain.terminateAll()).toBe(10);
    await world.pass(20);
  });

  it('is one drain for all callers', async () => {
    const world = new DrainWorld();
    world.open(1);
    const [first, second] = [world.drain.start('a'), world.drain.start('b')];
    const hook = world.drain.onModuleDestroy();
    expect(first).toBe(second);
    await world.pass(5100);
    await hook;
    expect(world.of('drain-started')).toEqual([{ type: 'drain-started', connections: 1, reason: 'a' }]);
    expect(await world.drain.start('c')).toEqual(await first);
  });

  it('counts connections that were opened after admission closed', async () => {
    const world = new DrainWorld();
    // A random moment may be very early, but not for all of them.
    world.open(5);
    world.start();
    await world.pass(100);
    for (const { connection } of world.open(1)) connection.close(1001);
    await world.pass(5000);
    expect(world.result).toMatchObject({ total: 6, terminated: 0 });
  });

  it('begins all closes within the spread, evenly, on an idle event loop', async () => {
    const closed = await paceOf(10_000, 5010, 20);
    expect(closed.at(-1)).toBe(10_000);
    const late = closed.slice(0, 500).map((sum, step) => (step + 1) * 20 - sum);
    expect(Math.max(...late.map(Math.abs))).toBeLessThanOrEqual(20);
  });

  it.each([5000, 20_000])(
    'is late by at most about a twentieth with %d, on an event loop with one turn in 10 ms',
    async count => {
      const closed = await paceOf(count, 5500, 1);
      const due = (step: number) => Math.min(1, (step + 1) / 500) * count;
      expect(Math.max(...closed.map((sum, step) => Math.abs(due(step) - sum)))).toBeLessThan(0.06 * count);
      expect(closed.at(-1)).toBe(count);
      // No turn begins all late closes at once, not even the last ones.
      const each = closed.map((sum, step) => sum - (closed[step - 1] ?? 0));
      expect(Math.max(...each)).toBeLessThanOrEqual(1.5 * (count / 500));
    },
  );

  it('begins few closes in a turn while it is hardly late, also after a stall', async () => {
    const world = new DrainWorld();
    const clients = world.open(10_000, false);
    world.start();
    // The event loop is blocked for a moment: 300 closes are due.
    world.time += 150;
    jest.advanceTimersByTime(10);
    const closed = [begunBy(clients, Infinity)];
    for (let turns = 0; turns < 3; turns++) {
      await turn();
      closed.push(begunBy(clients, Infinity));
    }
    expect(closed).toEqual([4, 8, 12, 16]);
  });

  it('begins all closes by the deadline, also with little time', async () => {
    const world = new DrainWorld({ spreadMs: 0, closeTimeoutMs: 100, deadlineMs: 200 });
    const clients = world.open(2000, false);
    world.start();
    await world.pass(200);
    expect(begunBy(clients, world.time)).toBe(2000);
  });

  it('holds the event loop for one slice of closes only, even when it is late', async () => {
    const world = new DrainWorld({ spreadMs: 0 });
    const clients = world.open(3000, false);
    // Each close takes a tenth of a millisecond of the clock.
    for (const client of clients) client.close = () => void (client.closedAt = world.time += 0.1);
    world.start();
    const slices: number[] = [];
    for (let before = begunBy(clients, Infinity); before < 3000; before = begunBy(clients, Infinity)) {
      world.time += 20;
      jest.advanceTimersByTime(20);
      await turn();
      slices.push(begunBy(clients, Infinity) - before);
    }
    // One slice for the step that is due, and one for the turn that follows it.
    expect(Math.max(...slices)).toBeLessThanOrEqual(2 * 24);
  });
});
