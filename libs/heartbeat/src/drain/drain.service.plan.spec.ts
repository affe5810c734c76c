import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { DrainWorld } from '../../../../test/support/servers/drain-world.js';
import type { DrainRequest } from './drain-request.js';

Logger.overrideLogger(false);

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('DrainService.plan', () => {
  it('is that of a signal while the node serves', () => {
    const world = new DrainWorld({ spreadMs: undefined, readinessDelayMs: 1000 }, 30_000);
    world.open(3);
    expect(world.drain.plan()).toEqual({
      node: world.node.id,
      state: 'serving',
      connections: 3,
      busy: 0,
      spreadMs: 30,
      estimatedMs: 3030,
      deadlineMs: 25_000,
      graceMs: 30_000,
      fits: true,
      excessMs: 0,
      remaining: 0,
      total: 0,
      terminated: 0,
      startedAt: null,
      reason: null,
      final: false,
    });
  });

  it.each<[DrainRequest, connections: number, estimatedMs: number, deadlineMs: number, fits: boolean]>([
    [{}, 3, 7000, 17_000, true],
    [{}, 0, 0, 17_000, true],
    [{ spreadMs: 60_000 }, 3, 62_000, 72_000, true],
    [{ spreadMs: 60_000, workTimeoutMs: 0 }, 3, 62_000, 62_000, true],
    [{ spreadMs: 60_000, deadlineMs: 30_000 }, 3, 62_000, 30_000, false],
    [{ spreadMs: 60_000, deadlineMs: 30_000 }, 0, 0, 30_000, true],
    [{ deadlineMs: 100_000 }, 3, 7000, 100_000, true],
    [{ spreadMs: undefined, deadlineMs: undefined }, 3, 7000, 17_000, true],
  ])('of %j with %d connections takes %d ms of %d ms', (request, connections, estimatedMs, deadlineMs, fits) => {
    const world = new DrainWorld();
    world.open(connections);
    expect(world.drain.plan(request)).toMatchObject({ estimatedMs, deadlineMs, fits, graceMs: null });
  });

  it('does not fit into a shorter grace', () => {
    const world = new DrainWorld({}, 6000);
    world.open(1);
    expect(world.drain.plan()).toMatchObject({ graceMs: 6000, fits: false, excessMs: 2000 });
  });

  it('counts connections with work, whose time is part of the plan while there are some', () => {
    const world = new DrainWorld();
    const [client] = world.open(3);
    const lease = client!.connection.busy('an upload');
    expect(world.drain.plan()).toMatchObject({ connections: 3, busy: 1, estimatedMs: 17_000, fits: true });
    expect(world.drain.plan({ workTimeoutMs: 500 })).toMatchObject({ estimatedMs: 7500, deadlineMs: 7500, fits: true });
    const withDeadline = { deadlineMs: 9000 };
    expect(world.drain.plan(withDeadline)).toMatchObject({ estimatedMs: 9000, deadlineMs: 9000, fits: true });
    expect(world.drain.plan({ ...withDeadline, workTimeoutMs: 3000 })).toMatchObject({ fits: false, excessMs: 1000 });
    lease.done();
    expect(world.drain.plan()).toMatchObject({ busy: 0, estimatedMs: 7000 });
  });

  it('leaves work at most what the other parts leave of a deadline', () => {
    const world = new DrainWorld({ workTimeoutMs: 8000 });
    world.open(1)[0]!.connection.busy('a call');
    expect(world.drain.plan({})).toMatchObject({ estimatedMs: 15_000, deadlineMs: 15_000 });
    expect(world.drain.plan({ deadlineMs: 9000 })).toMatchObject({ estimatedMs: 9000, fits: true });
    expect(world.drain.plan({ deadlineMs: 6000 })).toMatchObject({ estimatedMs: 7000, excessMs: 1000 });
    expect(world.drain.plan({ deadlineMs: 60_000 })).toMatchObject({ estimatedMs: 15_000, fits: true });
  });

  it('is the progress of a drain, until an abort', async () => {
    const world = new DrainWorld({ readinessDelayMs: 1000, deadlineMs: 20_000 });
    world.time = 5000;
    world.open(1, false);
    world.open(99);
    world.start();
    const startedAt = new Date(5000).toISOString();
    const common = { spreadMs: 5000, estimatedMs: 8000, deadlineMs: 20_000, startedAt, reason: 'a deploy' };
    expect(world.drain.plan()).toMatchObject({ ...common, state: 'draining', remaining: 100, total: 100 });
    await world.pass(3500);
    const { remaining } = world.drain.plan();
    expect(Math.abs(remaining - 51)).toBeLessThan(4);
    expect(world.drain.plan()).toMatchObject({ ...common, connections: remaining, total: 100, terminated: 0 });
    await world.pass(16_500);
    expect(world.drain.plan()).toMatchObject({ ...common, state: 'drained', remaining: 0, total: 100, terminated: 1 });
    world.drain.abort();
    const serving = { state: 'serving', connections: 0, total: 0, terminated: 0, startedAt: null, reason: null };
    expect(world.drain.plan()).toMatchObject(serving);
  });

  it('is bounded by the options once a signal has taken the drain over', async () => {
    const world = new DrainWorld();
    world.open(100, false);
    void world.drain.start('by hand', { spreadMs: 600_000 });
    expect(world.drain.plan()).toMatchObject({ spreadMs: 600_000, estimatedMs: 602_000, deadlineMs: 612_000 });
    await world.pass(10_000);
    void world.drain.takeOver('SIGTERM');
    const plan = { spreadMs: 15_000, estimatedMs: 17_000, deadlineMs: 35_000, reason: 'SIGTERM', final: true };
    expect(world.drain.plan()).toMatchObject(plan);
  });

  it.each<[unknown, string[]]>([
    [{ spreadMs: -1, deadlineMs: 0, workTimeoutMs: '1' }, ['spreadMs', 'workTimeoutMs', 'deadlineMs']],
    [{ returnWindowMs: 1.5 }, ['returnWindowMs']],
    [{ spread: 1, now: true }, ['spread', 'now']],
    [{ spreadMs: 2 ** 31 }, ['spreadMs']],
    [{ spreadMs: Number.NaN }, ['spreadMs']],
    [null, ['request']],
    [5000, ['request']],
  ])('and start reject %j, and close nothing', async (request, keys) => {
    const world = new DrainWorld();
    const clients = world.open(1);
    const fault = expect.objectContaining({
      code: 'HEARTBEAT_BAD_OPTIONS',
      problems: keys.map(key => expect.objectContaining({ key })),
    });
    expect(() => world.drain.plan(request as DrainRequest)).toThrow(fault);
    await expect(world.drain.start('a test', request as DrainRequest)).rejects.toEqual(fault);
    await world.pass(6000);
    expect([world.drain.state, clients[0]?.closedAt]).toEqual(['serving', null]);
  });
});

describe('DrainService.start with a request', () => {
  it('spreads closes and delays by it, until an abort', async () => {
    const world = new DrainWorld();
    const clients = world.open(100);
    void world.drain.start('by hand', { spreadMs: 20_000, returnWindowMs: 100 });
    await world.pass(10_000);
    expect(Math.abs(world.connections.count - 50)).toBeLessThan(3);
    const delays = clients.flatMap(({ reason }) => (/retry-after=(\d+)$/.exec(reason) ?? []).slice(1).map(Number));
    expect(delays.length).toBeGreaterThan(45);
    expect(Math.max(...delays)).toBeLessThanOrEqual(100);
    expect(world.node.returnWindowMs).toBe(100);
    world.drain.abort();
    expect([world.node.returnWindowMs, world.node.drainDeadlineAt]).toEqual([10_000, null]);
  });

  it('destroys the rest at its deadline', async () => {
    const world = new DrainWorld();
    const clients = world.open(4, false);
    const result = world.drain.start('by hand', { spreadMs: 0, deadlineMs: 1000 });
    await world.pass(990);
    expect(clients.some(({ terminated }) => terminated)).toBe(false);
    await world.pass(20);
    expect(await result).toEqual({ total: 4, terminated: 4, durationMs: 1000 });
  });
});

describe('DrainService.start and abort', () => {
  it('of the application are calls for the audit trail, and those for an operator are not', async () => {
    const world = new DrainWorld();
    const calls: unknown[] = [];
    world.stream.calls.subscribe(call => calls.push(call));
    world.drain.startFor('ops', {});
    world.drain.abortFor('ops');
    expect(calls).toEqual([]);
    void world.drain.start('maintenance', { spreadMs: 100 });
    void world.drain.start('once more');
    world.drain.abort();
    world.drain.abort();
    const call = { target: world.node.id, result: 'done' };
    expect(calls).toEqual([
      { ...call, what: 'drain', parameters: { reason: 'maintenance', spreadMs: 100 } },
      { ...call, what: 'abort-drain', parameters: { reason: 'by the application' } },
    ]);
  });
});

describe('DrainService.takeOver', () => {
  it('is published for a drain that runs or has ended, once', async () => {
    for (const passedMs of [100, 6000]) {
      const world = new DrainWorld();
      world.open(10);
      world.start();
      await world.pass(passedMs);
      const remaining = world.connections.count;
      void world.drain.takeOver('SIGTERM');
      void world.drain.takeOver('the application closes');
      const event = { type: 'drain-taken-over', remaining, total: 10, reason: 'SIGTERM' };
      expect(world.of('drain-taken-over')).toEqual([event]);
      expect(world.node.drainDeadlineAt).toBe(Math.min(25_000, passedMs + 25_000));
      await world.pass(6000);
    }
  });

  it('is not published for a drain that it begins', async () => {
    const world = new DrainWorld();
    void world.drain.takeOver('SIGTERM');
    await world.pass(100);
    expect(world.events.map(({ type }) => type)).toEqual(['drain-started', 'drain-ended']);
  });
});
