import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { notReadyReasons } from '../connection/readiness.js';
import { type DrainClient, DrainWorld } from '../../../../test/support/servers/drain-world.js';

Logger.overrideLogger(false);

const begun = (clients: readonly DrainClient[]) => clients.filter(({ closedAt }) => closedAt !== null).length;
const flagsOf = ({ node }: DrainWorld) => [node.draining, node.admissionClosed];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('DrainService.abort', () => {
  it('returns from each state of a drain to serving', async () => {
    const world = new DrainWorld();
    expect([world.drain.state, world.drain.abort()]).toEqual(['serving', false]);
    world.open(10);
    world.start();
    expect(world.drain.state).toBe('draining');
    expect([world.drain.abort(), world.drain.state]).toEqual([true, 'serving']);
    world.start();
    await world.pass(5100);
    expect(world.drain.state).toBe('drained');
    expect([world.drain.abort(), world.drain.state]).toEqual([true, 'serving']);
  });

  it.each([
    ['before admission closes', 3000, 1000],
    ['between two closes', 0, 2500],
    ['restores the node: %s', 0, 6000],
  ])('makes the node as before: %s', async (_when, readinessDelayMs, afterMs) => {
    const world = new DrainWorld({ readinessDelayMs });
    const clients = world.open(100, false);
    world.start();
    await world.pass(afterMs);
    const closes = begun(clients);
    world.drain.abort();
    expect([flagsOf(world), notReadyReasons(world.node)]).toEqual([[false, false], ['starting']]);
    expect(jest.getTimerCount()).toBe(0);
    const events = world.events.length;
    await world.pass(30_000);
    expect([begun(clients), world.connections.count, world.events.length]).toEqual([closes, 100, events]);
  });

  it.each([null, 5, {}])('neither begins nor ends a drain for the reason %j, which is no text', async reason => {
    const world = new DrainWorld();
    world.open(3);
    const bad = { code: 'HEARTBEAT_BAD_OPTIONS', problems: [{ key: 'reason' }] };
    for (const given of [reason, undefined]) await expect(world.drain.start(given as never)).rejects.toMatchObject(bad);
    expect([world.drain.state, flagsOf(world), jest.getTimerCount()]).toEqual(['serving', [false, false], 0]);
    world.start();
    expect(() => world.drain.abort(reason as never)).toThrow('reason');
    expect([world.drain.state, world.drain.abort(), world.drain.state]).toEqual(['draining', true, 'serving']);
    await world.pass(0);
    expect(world.result).toMatchObject({ aborted: true });
  });

  it('resolves the promise of the drain, and publishes the number left; closes that have begun continue', async () => {
    const world = new DrainWorld();
    const [silent] = [world.open(50, false), world.open(50)];
    world.start();
    await world.pass(2500);
    const remaining = world.connections.count;
    world.drain.abort();
    await world.pass(0);
    expect(world.result).toEqual({ total: 100, terminated: 0, durationMs: 2500, aborted: true });
    expect(world.of('drain-aborted')).toEqual([{ type: 'drain-aborted', remaining, total: 100 }]);
    expect(world.of('drain-ended')).toEqual([]);
    const closing = silent.filter(({ closedAt }) => closedAt !== null);
    expect(closing.length).toBeGreaterThan(10);
    expect(closing.every(({ connection }) => connection.state === 'closing')).toBe(true);
  });

  it('begins no further close in the turn of a close that caused it', async () => {
    const world = new DrainWorld({ spreadMs: 0 });
    const clients = world.open(100);
    world.stream.ofType('closed').subscribe(() => world.drain.abort());
    world.start();
    await world.pass(1000);
    expect([begun(clients), world.drain.state, flagsOf(world)]).toEqual([1, 'serving', [false, false]]);
  });

  it('stops a drain that a subscriber aborts at its start', async () => {
    const world = new DrainWorld({ spreadMs: 0 });
    const clients = world.open(10);
    world.stream.ofType('drain-started').subscribe(() => world.drain.abort());
    world.start();
    await world.pass(1000);
    expect([begun(clients), world.result?.aborted, jest.getTimerCount()]).toEqual([0, true, 0]);
  });

  it('stops the termination of the rest at the deadline', async () => {
    const world = new DrainWorld({ readinessDelayMs: 100, spreadMs: 100, closeTimeoutMs: 100, deadlineMs: 900 });
    world.open(100, false);
    world.stream.ofType('closed').subscribe(() => world.drain.abort());
    world.start();
    world.time += 950;
    await world.pass(50);
    expect([world.connections.count, world.drain.state]).toEqual([99, 'serving']);
    expect(world.result).toMatchObject({ total: 100, terminated: 1, aborted: true });
  });

  it('lets a later start begin a new drain', async () => {
    const world = new DrainWorld();
    const clients = world.open(20);
    const first = world.drain.start('a');
    world.drain.abort();
    world.start();
    expect(world.drain.start('c')).not.toBe(first);
    await world.pass(5100);
    expect(begun(clients)).toBe(20);
    expect(world.result).toEqual({ total: 20, terminated: 0, durationMs: expect.any(Number) });
  });
});

describe('DrainService.takeOver', () => {
  it('begins a drain that cannot be aborted', async () => {
    const world = new DrainWorld();
    world.open(5);
    const result = world.drain.takeOver('SIGTERM');
    expect([world.drain.abort(), world.drain.state]).toEqual([false, 'draining']);
    expect(world.drain.start('later')).toBe(result);
    await world.pass(5100);
    expect([world.drain.abort(), await result]).toEqual([false, expect.objectContaining({ total: 5 })]);
  });

  it('takes over the running drain: one start, the same promise, no abort', async () => {
    const world = new DrainWorld();
    const clients = world.open(20);
    const result = world.drain.start('by hand');
    await world.pass(1000);
    expect(world.drain.takeOver('SIGTERM')).toBe(result);
    expect(world.drain.abort()).toBe(false);
    await world.pass(4100);
    expect([begun(clients), world.of('drain-started').length, world.drain.state]).toEqual([20, 1, 'drained']);
  });

  it('takes over a drain that has ended', async () => {
    const world = new DrainWorld();
    const result = await world.drain.start('by hand');
    expect(await world.drain.takeOver('SIGTERM')).toBe(result);
    expect([world.drain.abort(), flagsOf(world)]).toEqual([false, [true, true]]);
  });

  it('is called at the end of the application', async () => {
    const world = new DrainWorld();
    await world.drain.onModuleDestroy();
    expect([world.drain.abort(), world.drain.state]).toEqual([false, 'drained']);
  });
});

describe('DrainRun.takeOver', () => {
  const LONG = { readinessDelayMs: 60_000, spreadMs: 600_000, deadlineMs: 700_000 };

  it('applies the tighter settings before admission closes', async () => {
    const world = new DrainWorld();
    const clients = world.open(100);
    const run = world.run(LONG);
    await world.pass(1000);
    run.takeOver({ readinessDelayMs: 500, spreadMs: 2000, deadlineMs: 5000 }, 'SIGTERM');
    await world.pass(490);
    expect([flagsOf(world), begun(clients)]).toEqual([[true, false], 0]);
    await world.pass(1000);
    expect(Math.abs(begun(clients) - 50)).toBeLessThanOrEqual(3);
    await world.pass(1050);
    expect(await run.result).toMatchObject({ total: 100, terminated: 0 });
  });

  it('plans the rest again: evenly over the tighter spread, and within the tighter deadline', async () => {
    const world = new DrainWorld();
    const [silent, clients] = [world.open(1, false), world.open(200)];
    const run = world.run({ ...LONG, readinessDelayMs: 0 });
    await world.pass(30_000);
    const before = begun(clients);
    expect(Math.abs(before - 10)).toBeLessThanOrEqual(2);
    run.takeOver({ readinessDelayMs: 500, spreadMs: 2000, deadlineMs: 5000 }, 'SIGTERM');
    await world.pass(1000);
    expect(Math.abs(begun(clients) - before - (200 - before) / 2)).toBeLessThanOrEqual(4);
    await world.pass(1100);
    expect(begun(clients)).toBe(200);
    await world.pass(2880);
    expect(silent[0]?.terminated).toBe(false);
    await world.pass(20);
    expect(await run.result).toMatchObject({ total: 201, terminated: 1, durationMs: 35_000 });
  });

  it('leaves a plan that ends earlier as it is, and moves no deadline back', async () => {
    const world = new DrainWorld();
    const clients = world.open(10, false);
    const run = world.run({ readinessDelayMs: 0, spreadMs: 100, deadlineMs: 3000 });
    await world.pass(50);
    run.takeOver({ readinessDelayMs: 1000, spreadMs: 5000, deadlineMs: 25_000 }, 'SIGTERM');
    await world.pass(60);
    expect(begun(clients)).toBe(10);
    await world.pass(2890);
    expect(await run.result).toEqual({ total: 10, terminated: 10, durationMs: 3000 });
  });
});
