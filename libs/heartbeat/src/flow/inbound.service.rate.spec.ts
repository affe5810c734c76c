import { describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { BackpressureOptions } from '../options/backpressure.options.js';
import type { LimitOptions } from '../options/limits.options.js';
import { AttendedClock } from '../liveness/attended-clock.js';
import { resolveOptions } from '../options/resolve-options.js';
import { InboundService } from './inbound.service.js';
import { MESSAGE_OVERHEAD_BYTES, type RawMessage } from './message-queue.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

function ignore(): void {}

/** A message that counts with this number of bytes while it waits. */
function costing(bytes: number): RawMessage {
  return { data: Buffer.alloc(bytes - MESSAGE_OVERHEAD_BYTES), isBinary: false };
}

/** The socket of a client. */
class FakeSocket {
  isPaused = false;
  bufferedAmount = 0;
  isDestroyed = false;
  readonly closed: unknown[][] = [];
  readonly network = {
    bytesRead: 0,
    bytesWritten: 0,
    writableLength: 0,
    isPaused: () => false,
    cork: ignore,
    uncork: ignore,
  };
  readonly connection: Connection;

  constructor(world: World) {
    this.connection = world.connections.open({
      transport: transportOf(this, this.network),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
      deferred: false,
    });
  }

  close(...how: unknown[]): void {
    this.closed.push(how);
  }

  terminate(): void {
    this.isDestroyed = true;
  }

  holdBack(): void {
    this.isPaused = true;
  }

  letGo(): void {
    this.isPaused = false;
  }
}

class World {
  time = 5000;
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly inbound: InboundService;
  readonly events: EventPayload[] = [];
  readonly #attended = new AttendedClock(this.time, 100);

  constructor(limits: Partial<LimitOptions> = {}, backpressure: Partial<BackpressureOptions> = {}) {
    const events = new HeartbeatEvents();
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions({ limits, backpressure }), clock);
    ({ connections: this.connections, inbound: this.inbound } = wireNode(this.node, events));
    events.stream.subscribe(event => event.type !== 'opened' && this.events.push(unstamped(event)));
  }

  /** One tick of the heartbeat, this many milliseconds after the last; a late one reports the stall, as the heartbeat does. */
  tick(ms: number): void {
    this.time += ms;
    const before = this.node.attendedMs;
    this.node.attendedMs = Math.trunc(this.#attended.advance(this.time));
    this.node.recentStallMs = Math.max(0, ms - (this.node.attendedMs - before));
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 50) this.tick(50);
  }
}

const RATE = { code: 4004, by: 'server' };

describe('InboundService, of rates', () => {
  it.each<[string, Partial<LimitOptions>, (world: World, connection: Connection) => unknown, string]>([
    ['messages', { messagesPerSecond: 3 }, (world, connection) => world.inbound.admit(connection), 'too many messages'],
    ['pings', { pingsPerSecond: 3 }, (world, connection) => world.inbound.pinged(connection), 'too many pings'],
  ])('admits the allowed number of %s in a second, and closes at one more', (_what, limits, send, reason) => {
    const world = new World(limits);
    const [socket, other] = [new FakeSocket(world), new FakeSocket(world)];
    for (let second = 0; second < 5; second++) {
      for (let count = 0; count < 3; count++) send(world, socket.connection);
      expect(socket.connection.closing).toBeNull();
      world.pass(1000);
    }
    for (let count = 0; count < 4; count++) send(world, socket.connection);
    expect(socket.connection.closing).toEqual({ ...RATE, reason });
    expect([socket.closed, socket.isPaused]).toEqual([[[4004, reason]], true]);
    expect([other.connection.closing, other.isPaused]).toEqual([null, false]);
  });

  it('returns which messages are admitted, and admits none afterwards, in any second', () => {
    const world = new World({ messagesPerSecond: 2 });
    const { connection } = new FakeSocket(world);
    const admitted = [1, 2, 3, 4].map(() => world.inbound.admit(connection));
    world.pass(2000);
    expect([...admitted, world.inbound.admit(connection)]).toEqual([true, true, false, false, false]);
  });

  it('publishes one refusal, for any number of further messages', () => {
    const world = new World({ messagesPerSecond: 1, pingsPerSecond: 1 });
    const { connection } = new FakeSocket(world);
    for (let count = 0; count < 5; count++) world.inbound.admit(connection);
    for (let count = 0; count < 5; count++) world.inbound.pinged(connection);
    expect(world.events).toEqual([{ type: 'message-refused', id: connection.id, reason: 'rate' }]);
  });

  it('counts messages and pings separately', () => {
    const world = new World({ messagesPerSecond: 3, pingsPerSecond: 3 });
    const { connection } = new FakeSocket(world);
    for (let count = 0; count < 3; count++) {
      world.inbound.pinged(connection);
      expect(world.inbound.admit(connection)).toBe(true);
    }
    expect(connection.closing).toBeNull();
  });

  it('keeps a client that pings when it has read all of a burst with as many messages as may wait', () => {
    const world = new World({}, { maxBufferedBytes: 65_536, policy: 'drop-newest' });
    const socket = new FakeSocket(world);
    const { connection, network } = socket;
    for (let sent = 1; sent <= 1100; sent++) {
      void connection.send('x');
      network.bytesWritten = network.writableLength = socket.bufferedAmount = sent;
    }
    const { messagesOut } = connection;
    network.writableLength = socket.bufferedAmount = 0;
    world.inbound.pinged(connection);
    expect([messagesOut, socket.isDestroyed, connection.closing]).toEqual([1025, false, null]);
  });

  it('has no limit at 0', () => {
    const world = new World({ messagesPerSecond: 0, pingsPerSecond: 0 });
    const { connection } = new FakeSocket(world);
    for (let count = 0; count < 10_000; count++) world.inbound.pinged(connection);
    expect([world.inbound.admit(connection), connection.closing]).toEqual([true, null]);
  });

  it('closes no client that keeps to the rate, at any times within the seconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.integer({ min: 1, max: 40 })), (rate, gaps) => {
        const world = new World({ messagesPerSecond: rate });
        const { connection } = new FakeSocket(world);
        const period = Math.ceil(1000 / rate / 50);
        for (const gap of gaps) {
          expect(world.inbound.admit(connection)).toBe(true);
          world.pass(50 * Math.max(period, gap));
        }
      }),
    );
  });

  it.each<[string, (world: World, connection: Connection) => unknown]>([
    ['a ping', (world, connection) => world.inbound.pinged(connection)],
    ['a message', (world, connection) => world.inbound.admit(connection)],
  ])(
    'closes no client because of a stall of the server, with %s sent every second and read all at once',
    (_what, send) => {
      const world = new World({ messagesPerSecond: 10, pingsPerSecond: 10 });
      const { connection } = new FakeSocket(world);
      for (let second = 0; second < 5; second++) {
        send(world, connection);
        world.pass(1000);
      }
      // The event loop was blocked: one late tick, then all input that the kernel held.
      world.tick(15_000);
      for (let count = 0; count < 15; count++) send(world, connection);
      expect(connection.closing).toBeNull();
    },
  );

  it('reads no more of a refused flood, also when waiting messages have run', async () => {
    const world = new World({ maxInFlight: 1, messagesPerSecond: 3 });
    const socket = new FakeSocket(world);
    const ends: (() => void)[] = [];
    for (let count = 0; count < 5; count++) {
      const { connection } = socket;
      if (!world.inbound.admit(connection)) continue;
      const handle = () => new Promise<void>(resolve => void ends.push(resolve));
      const take = () => world.inbound.run(connection, handle);
      if (world.inbound.mayTake(connection, world.time)) take();
      else world.inbound.wait(connection, costing(100), take);
    }
    for (let count = 0; count < 3; count++) {
      ends.shift()?.();
      for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve));
    }
    expect([socket.connection.closing?.code, socket.connection.inFlight, socket.isPaused]).toEqual([4004, 0, true]);
    world.inbound.onApplicationShutdown();
  });

  it.each<[string, (world: World, connection: Connection) => unknown]>([
    ['messages', (world, connection) => world.inbound.admit(connection)],
    ['pings', (world, connection) => world.inbound.pinged(connection)],
  ])('reads on for the close frame of a client that it has begun to close, but not a flood of %s', (_what, send) => {
    const world = new World({}, { maxBufferedBytes: 100_000 });
    const socket = new FakeSocket(world);
    socket.connection.close(4400);
    for (const [bytesRead, isPaused] of [
      [70_000, false],
      [170_000, false],
      [170_001, true],
    ] as const) {
      socket.network.bytesRead = bytesRead;
      send(world, socket.connection);
      expect([bytesRead, socket.isPaused]).toEqual([bytesRead, isPaused]);
    }
  });

  it('drops all waiting bytes above the limit, and closes their sender with 4004', async () => {
    const world = new World({}, { maxBufferedBytes: 100_000 });
    const [flood, other] = [new FakeSocket(world), new FakeSocket(world)];
    const done: string[] = [];
    world.inbound.wait(other.connection, costing(100_000), () => done.push('other'));
    for (const bytes of [60_000, 40_000])
      world.inbound.wait(flood.connection, costing(bytes), () => done.push('flood'));
    expect(flood.connection.closing).toBeNull();
    world.inbound.wait(flood.connection, costing(64), () => done.push('flood'));
    expect(world.inbound.admit(flood.connection)).toBe(false);
    expect(flood.closed).toEqual([[4004, 'too much at once']]);
    expect(world.events).toEqual([{ type: 'message-refused', id: flood.connection.id, reason: 'rate' }]);
    // None of its messages waits any more, and other clients have their turn.
    expect(world.inbound.mayTake(flood.connection, world.time)).toBe(true);
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve));
    expect([done, flood.isPaused, other.isPaused, other.connection.closing]).toEqual([['other'], true, false, null]);
  });

  it('counts only messages that still wait', async () => {
    const world = new World({ maxInFlight: 1 }, { maxBufferedBytes: 100_000 });
    const { connection } = new FakeSocket(world);
    const endless = () => world.inbound.run(connection, () => new Promise(() => undefined));
    for (const bytes of [60_000, 40_000]) world.inbound.wait(connection, costing(bytes), endless);
    world.inbound.mayTake(connection, world.time);
    for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve));
    world.inbound.wait(connection, costing(60_000), endless);
    expect([connection.inFlight, connection.closing]).toEqual([1, null]);
    world.inbound.wait(connection, costing(64), endless);
    expect(connection.closing?.code).toBe(4004);
  });

  it('admits the messages due for the time of a stall, and not one more', () => {
    const world = new World({ messagesPerSecond: 3 });
    const { connection } = new FakeSocket(world);
    // A tick counts at most twice its length: 1900 ms were lost, which is two begun seconds.
    world.tick(2000);
    const admitted = Array.from({ length: 10 }, () => world.inbound.admit(connection));
    expect([world.node.recentStallMs, admitted.filter(Boolean).length]).toEqual([1900, 3 * 3]);
  });

  it('destroys with 4003 a client that sends pings while more answers wait than allowed', () => {
    const world = new World({ pingsPerSecond: 0 }, { maxBufferedBytes: 100_000 });
    const [hostile, other] = [new FakeSocket(world), new FakeSocket(world)];
    hostile.bufferedAmount = other.bufferedAmount = 100_000;
    for (const { connection } of [hostile, other]) world.inbound.pinged(connection);
    expect([hostile.isDestroyed, hostile.connection.closing, world.events]).toEqual([false, null, []]);
    hostile.bufferedAmount++;
    world.inbound.pinged(hostile.connection);
    expect(hostile.connection.closing).toEqual({ code: 4003, reason: 'slow consumer', by: 'server' });
    const { id } = hostile.connection;
    expect(world.events).toEqual([{ type: 'slow', id, bufferedBytes: 100_001, why: 'limit' }]);
    expect([hostile.isDestroyed, other.isDestroyed]).toEqual([true, false]);
  });

  it('publishes a slow client once, for any number of later pings', () => {
    const world = new World({ pingsPerSecond: 0 }, { maxBufferedBytes: 100_000 });
    const { connection } = Object.assign(new FakeSocket(world), { bufferedAmount: 100_001 });
    for (let count = 0; count < 5; count++) world.inbound.pinged(connection);
    expect(world.events.map(({ type }) => type)).toEqual(['slow']);
  });

  it('ignores a client that is closing, regardless of its waiting answers', () => {
    const world = new World({}, { maxBufferedBytes: 100_000 });
    const socket = Object.assign(new FakeSocket(world), { bufferedAmount: 100_001 });
    socket.connection.close(1001, 'going away');
    for (let count = 0; count < 50; count++) world.inbound.pinged(socket.connection);
    expect([socket.isDestroyed, socket.connection.closing?.code, world.events]).toEqual([false, 1001, []]);
  });
});
