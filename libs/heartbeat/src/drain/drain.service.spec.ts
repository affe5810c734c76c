import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Socket } from 'node:net';

import { Logger } from '@nestjs/common';
import type { WebSocket } from 'ws';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { type HeartbeatEvent, HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { type DrainResult, DrainService } from './drain.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';

Logger.overrideLogger(false);

const turn = () => new Promise(resolve => setImmediate(resolve));

/** A client that answers a close at once, or never. */
class Client {
  readonly connection: Connection;
  toldAt: number | null = null;
  reason = '';
  terminated = false;

  constructor(
    private readonly world: World,
    private readonly answers: boolean,
  ) {
    this.connection = world.connections.open({
      socket: this as unknown as WebSocket,
      network: { bytesRead: 0, bytesWritten: 0, writableLength: 0, isPaused: () => false } as unknown as Socket,
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
  }

  close(_code: number, reason: string): void {
    this.toldAt = this.world.time;
    this.reason = reason;
    if (this.answers) this.world.connections.closed(this.connection, 1001, '');
  }

  terminate(): void {
    this.terminated = true;
    this.world.connections.closed(this.connection, 1006, '');
  }
}

/** A node whose time is the test's. */
class World {
  time = 0;
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly drain: DrainService;
  readonly events: HeartbeatEvent[] = [];
  result: DrainResult | undefined;

  constructor(given: HeartbeatOptions['drain'] = {}) {
    const drain = { spreadMs: 5000, ...given };
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions({ drain, limits: { maxConnections: 1_000_000 } }), clock);
    const events = new HeartbeatEvents();
    this.connections = wireNode(this.node, events).connections;
    this.drain = new DrainService(this.node, this.connections, events);
    events.stream.subscribe(event => this.events.push(event));
  }

  open(count: number, answers = true): Client[] {
    return Array.from({ length: count }, () => new Client(this, answers));
  }

  start(): void {
    void this.drain.start('a deploy').then(result => (this.result = result));
  }

  /** Goes on in steps, with a turn of the event loop after each. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      this.time += 10;
      jest.advanceTimersByTime(10);
      await turn();
    }
    await turn();
  }

  of(type: HeartbeatEvent['type']): HeartbeatEvent[] {
    return this.events.filter(event => event.type === type);
  }
}

const toldBy = (clients: readonly Client[], time: number) =>
  clients.filter(({ toldAt }) => toldAt !== null && toldAt <= time).length;

/** How many have been told after each 10 ms, for so long, on a loop that turns so often in them. */
async function paceOf(count: number, ms: number, turns: number) {
  const world = new World();
  const clients = world.open(count, false);
  world.start();
  const told = [];
  for (let passed = 0; passed < ms; passed += 10) {
    world.time += 10;
    jest.advanceTimersByTime(10);
    for (let each = 0; each < turns; each++) await turn();
    told.push(toldBy(clients, world.time));
  }
  return told;
}

describe('DrainService', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('raises the flag at once, and tells that it begins', async () => {
    const world = new World();
    world.open(3);
    world.start();
    expect(world.node.draining).toBe(true);
    expect(world.of('drain-started')).toEqual([{ type: 'drain-started', connections: 3, reason: 'a deploy' }]);
  });

  it('is over at once where nobody is', async () => {
    const world = new World({ readinessDelayMs: 5000 });
    world.start();
    await world.pass(0);
    expect(world.result).toEqual({ total: 0, terminated: 0, durationMs: 0 });
    expect(world.node.admissionClosed).toBe(true);
  });

  it('keeps the door open until the balancer has heard, and says goodbye to who comes until then too', async () => {
    const world = new World({ readinessDelayMs: 3000 });
    const clients = world.open(20);
    world.start();
    await world.pass(2900);
    expect([world.node.admissionClosed, toldBy(clients, world.time)]).toEqual([false, 0]);
    clients.push(...world.open(20));
    await world.pass(120);
    expect(world.node.admissionClosed).toBe(true);
    await world.pass(5000);
    expect([toldBy(clients, world.time), world.result?.total]).toEqual([40, 40]);
  });

  it('closes every connection with 1001 and a delay of its own', async () => {
    const world = new World();
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

  it('closes each at its own moment: evenly over the spread, in an order that is not that of the openings', async () => {
    const world = new World();
    const clients = world.open(100);
    world.start();
    await world.pass(5100);
    for (const share of [0.2, 0.4, 0.6, 0.8, 1]) {
      expect(Math.abs(toldBy(clients, share * 5000 + 20) - share * 100)).toBeLessThanOrEqual(2);
    }
    const moments = clients.map(({ toldAt }) => toldAt!);
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
    const world = new World({ spreadMs: undefined });
    const clients = world.open(count);
    world.start();
    await world.pass(spreadMs / 2);
    expect(Math.abs(toldBy(clients, world.time) - count / 2)).toBeLessThanOrEqual(Math.max(3, count / 20));
    await world.pass(spreadMs + 30 - world.time);
    expect(toldBy(clients, world.time)).toBe(count);
    await world.pass(20);
    expect(world.result?.total).toBe(count);
  });

  it('counts the connections for the default when the closes begin, not when the drain begins', async () => {
    const world = new World({ spreadMs: undefined, readinessDelayMs: 1000 });
    const clients = world.open(1);
    world.start();
    await world.pass(900);
    clients.push(...world.open(99));
    await world.pass(600);
    expect(Math.abs(toldBy(clients, world.time) - 50)).toBeLessThanOrEqual(3);
    await world.pass(550);
    expect(world.result).toMatchObject({ total: 100, terminated: 0 });
  });

  it('ends with the closing handshakes of a handful of clients, not after the longest spread', async () => {
    const world = new World({ spreadMs: undefined });
    const clients = world.open(3, false);
    world.start();
    await world.pass(40);
    expect(toldBy(clients, world.time)).toBe(3);
    for (const { connection } of clients) connection.socket.terminate();
    await world.pass(20);
    expect(world.result).toEqual({ total: 3, terminated: 0, durationMs: 50 });
  });

  it('ends as soon as nobody is left', async () => {
    const world = new World();
    const clients = world.open(5);
    world.start();
    await world.pass(500);
    for (const { connection } of clients) connection.close();
    await world.pass(20);
    expect(world.result).toEqual({ total: 5, terminated: 0, durationMs: 510 });
    expect(jest.getTimerCount()).toBe(0);
    expect(world.of('drain-ended')).toEqual([{ type: 'drain-ended', total: 5, terminated: 0, durationMs: 510 }]);
  });

  it('destroys at the deadline whoever is left, counts them, and leaves the record of their goodbye', async () => {
    const world = new World({ deadlineMs: 8000 });
    const [silent, others] = [world.open(3, false), world.open(4)];
    world.start();
    await world.pass(7980);
    expect([toldBy(silent, world.time), world.result]).toEqual([3, undefined]);
    await world.pass(20);
    expect(silent.every(({ terminated }) => terminated)).toBe(true);
    expect(others.some(({ terminated }) => terminated)).toBe(false);
    expect(world.result).toEqual({ total: 7, terminated: 3, durationMs: 8000 });
    expect(world.connections.closedHistory()[0]).toMatchObject({ code: 1001, reason: 'server is going away' });
  });

  it('counts the connections that it terminates, also where a stall left no time for any close', async () => {
    const world = new World({ readinessDelayMs: 100, spreadMs: 100, closeTimeoutMs: 100, deadlineMs: 900 });
    // More than one slice has.
    world.open(100, false);
    world.start();
    world.time += 950;
    await world.pass(50);
    expect(world.result).toMatchObject({ total: 100, terminated: 100 });
  });

  it('tells how far it is every second', async () => {
    const world = new World();
    world.open(10, false);
    world.start();
    await world.pass(3500);
    expect(world.of('drain-progress')).toEqual(
      Array.from({ length: 3 }, () => ({ type: 'drain-progress', remaining: 10, total: 10 })),
    );
    expect(world.drain.terminateAll()).toBe(10);
    await world.pass(20);
  });

  it('is one drain for everybody who asks', async () => {
    const world = new World();
    world.open(1);
    const [first, second] = [world.drain.start('a'), world.drain.start('b')];
    const hook = world.drain.onModuleDestroy();
    expect(first).toBe(second);
    await world.pass(5100);
    await hook;
    expect(world.of('drain-started')).toEqual([{ type: 'drain-started', connections: 1, reason: 'a' }]);
    expect(await world.drain.start('c')).toEqual(await first);
  });

  it('counts who came too late for the door', async () => {
    const world = new World();
    // A moment drawn at random may be a very early one: not of all of them.
    world.open(5);
    world.start();
    await world.pass(100);
    for (const { connection } of world.open(1)) connection.close(1001);
    await world.pass(5000);
    expect(world.result).toMatchObject({ total: 6, terminated: 0 });
  });

  it('has told everybody within the spread, evenly, on a loop that turns freely', async () => {
    const told = await paceOf(10_000, 5010, 20);
    expect(told.at(-1)).toBe(10_000);
    const late = told.slice(0, 500).map((sum, step) => (step + 1) * 20 - sum);
    expect(Math.max(...late.map(Math.abs))).toBeLessThanOrEqual(20);
  });

  it.each([5000, 20_000])(
    'is about a twentieth late at most with %d, on a loop that turns once in 10 ms',
    async count => {
      const told = await paceOf(count, 5500, 1);
      const due = (step: number) => Math.min(1, (step + 1) / 500) * count;
      expect(Math.max(...told.map((sum, step) => Math.abs(due(step) - sum)))).toBeLessThan(0.06 * count);
      expect(told.at(-1)).toBe(count);
      // No turn makes up for all at once, not even the last ones.
      const each = told.map((sum, step) => sum - (told[step - 1] ?? 0));
      expect(Math.max(...each)).toBeLessThanOrEqual(1.5 * (count / 500));
    },
  );

  it('tells a few in a turn while it is hardly late, whatever came in between', async () => {
    const world = new World();
    const clients = world.open(10_000, false);
    world.start();
    // The loop stands still for a moment: 300 are due.
    world.time += 150;
    jest.advanceTimersByTime(10);
    const told = [toldBy(clients, Infinity)];
    for (let turns = 0; turns < 3; turns++) {
      await turn();
      told.push(toldBy(clients, Infinity));
    }
    expect(told).toEqual([4, 8, 12, 16]);
  });

  it('has told everybody by the deadline, also where there is little time', async () => {
    const world = new World({ spreadMs: 0, closeTimeoutMs: 100, deadlineMs: 200 });
    const clients = world.open(2000, false);
    world.start();
    await world.pass(200);
    expect(toldBy(clients, world.time)).toBe(2000);
  });

  it('holds the event loop for a slice of goodbyes only, however far behind it is', async () => {
    const world = new World({ spreadMs: 0 });
    const clients = world.open(3000, false);
    // Each goodbye takes a tenth of a millisecond of the clock.
    for (const client of clients) client.close = () => void (client.toldAt = world.time += 0.1);
    world.start();
    const slices: number[] = [];
    for (let before = toldBy(clients, Infinity); before < 3000; before = toldBy(clients, Infinity)) {
      world.time += 20;
      jest.advanceTimersByTime(20);
      await turn();
      slices.push(toldBy(clients, Infinity) - before);
    }
    // One slice for the step that is due, and one for what follows it in the turn.
    expect(Math.max(...slices)).toBeLessThanOrEqual(2 * 24);
  });
});
