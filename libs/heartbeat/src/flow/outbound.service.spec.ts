import { describe, expect, it, jest } from '@jest/globals';

import * as fc from 'fast-check';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import type { BackpressureOptions } from '../options/backpressure.options.js';
import { type EventPayload, HeartbeatEvents } from '../connection/heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import type { OutboundService } from './outbound.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

const MIB = 1024 * 1024;

/** A client that reads under the control of the test. */
class Reader {
  bufferedAmount = 0;
  destroyedAt: number | null = null;
  readonly network = { bytesRead: 0, bytesWritten: 0, writableLength: 0, isPaused: () => false };
  readonly connection: Connection;

  constructor(private readonly world: World) {
    this.connection = world.connections.open({
      transport: transportOf(this, this.network),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
      deferred: false,
    });
  }

  /** Like in `net`, waiting bytes count as written. */
  send(bytes: number): void {
    this.connection.admits('message', bytes);
    this.fill(bytes);
  }

  /** Waits without being counted. */
  fill(bytes: number): void {
    this.bufferedAmount += bytes;
    this.network.bytesWritten += bytes;
    this.network.writableLength += bytes;
  }

  take(bytes: number): void {
    const taken = Math.min(bytes, this.bufferedAmount);
    this.bufferedAmount -= taken;
    this.network.writableLength -= taken;
  }

  terminate(): void {
    this.destroyedAt = this.world.node.attendedMs;
    this.world.connections.closed(this.connection, 1006, '');
  }
}

class World {
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly outbound: OutboundService;
  readonly slow: EventPayload[] = [];

  constructor(backpressure: Partial<BackpressureOptions> = {}) {
    const events = new HeartbeatEvents();
    events.stream.subscribe(event => event.type === 'slow' && this.slow.push(unstamped(event)));
    const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions({ backpressure }), clock);
    ({ connections: this.connections, outbound: this.outbound } = wireNode(this.node, events));
  }

  #steps = 0;

  /** Passes time in steps of 100 ms, with a check each second, like the timer. */
  pass(ms: number, each: (step: number) => void = () => undefined): void {
    for (let step = 0; step < ms / 100; step++) {
      this.node.attendedMs += 100;
      each(step);
      if (++this.#steps % 10 === 0) this.outbound.check();
    }
  }
}

describe('OutboundService', () => {
  it('destroys a client that reads nothing for slowAfterMs, at the next check, and records 4003', () => {
    const world = new World({ slowAfterMs: 10_000 });
    const [reader, other] = [new Reader(world), new Reader(world)];
    world.pass(5000);
    reader.send(5000);
    const since = world.node.attendedMs;
    world.pass(20_000);
    expect(reader.destroyedAt! - since).toBeGreaterThanOrEqual(10_000);
    expect(reader.destroyedAt! - since).toBeLessThanOrEqual(12_000);
    expect(reader.connection.closing).toEqual({ code: 4003, reason: 'slow consumer', by: 'server' });
    expect(world.slow).toEqual([{ type: 'slow', id: reader.connection.id, bufferedBytes: 5000, why: 'slow' }]);
    expect([other.destroyedAt, world.connections.count]).toEqual([null, 1]);
  });

  it.each([
    ['a byte a second', 1],
    ['just under minDrainBytesPerSecond', 1023],
  ])('destroys a client that reads too slowly: %s', (_what, bytes) => {
    const world = new World({ minDrainBytesPerSecond: 1024 });
    const reader = new Reader(world);
    reader.send(MIB);
    world.pass(12_000, step => step % 10 === 0 && reader.take(bytes));
    expect(reader.connection.closing?.code).toBe(4003);
  });

  it('destroys a slow client regardless of the amount that is sent to it', () => {
    const world = new World({ minDrainBytesPerSecond: 1024 });
    const reader = new Reader(world);
    world.pass(13_000, step => {
      reader.send(1000);
      if (step % 10 === 0) reader.take(500);
    });
    expect(reader.connection.closing?.code).toBe(4003);
  });

  it.each<[string, (reader: Reader, step: number) => void]>([
    ['reads just minDrainBytesPerSecond', (reader, step) => step % 10 === 0 && reader.take(1024)],
    ['reads a tenth of it ten times a second', reader => reader.take(103)],
    ['reads in bursts, each within slowAfterMs', (reader, step) => step % 90 === 0 && reader.take(100_000)],
  ])('keeps a client that %s', (_what, act) => {
    const world = new World({ minDrainBytesPerSecond: 1024, maxBufferedBytes: 4 * MIB });
    const reader = new Reader(world);
    reader.send(4 * MIB);
    world.pass(120_000, step => act(reader, step));
    expect([reader.destroyedAt, reader.bufferedAmount > 0]).toEqual([null, true]);
  });

  it('destroys a client that reads a little at times, but less than minDrainBytesPerSecond over slowAfterMs', () => {
    const world = new World({ minDrainBytesPerSecond: 1024, slowAfterMs: 10_000 });
    const reader = new Reader(world);
    reader.send(MIB);
    world.pass(60_000, step => step % 90 === 5 && reader.take(1100));
    expect(reader.connection.closing?.code).toBe(4003);
  });

  it('keeps a client without waiting bytes, and restarts with the next backlog', () => {
    const world = new World();
    const reader = new Reader(world);
    for (let turn = 0; turn < 10; turn++) {
      reader.send(100);
      world.pass(9000);
      reader.take(100);
      world.pass(1000);
    }
    expect(reader.destroyedAt).toBeNull();
  });

  it('does not count time that the server did not attend', () => {
    const world = new World();
    const reader = new Reader(world);
    reader.send(5000);
    // The checks continue, the attended time does not.
    for (let look = 0; look < 600; look++) world.outbound.check();
    expect(reader.destroyedAt).toBeNull();
  });

  it('requires no rate where minDrainBytesPerSecond is 0', () => {
    const world = new World({ minDrainBytesPerSecond: 0 });
    const reader = new Reader(world);
    reader.send(5000);
    world.pass(120_000);
    expect(reader.destroyedAt).toBeNull();
  });

  it('returns the waiting bytes and the number of slow clients', () => {
    const world = new World();
    const [idle, reader] = [new Reader(world), new Reader(world)];
    reader.send(5000);
    idle.send(100);
    world.pass(1000);
    expect([world.outbound.bufferedBytes, world.outbound.slowConsumers]).toEqual([5100, 0]);
    idle.take(100);
    world.pass(2000);
    expect([world.outbound.bufferedBytes, world.outbound.slowConsumers]).toEqual([5000, 1]);
    // More than 1024 bytes for each of the three seconds that it was watched.
    reader.take(3500);
    world.pass(1000);
    expect([world.outbound.bufferedBytes, world.outbound.slowConsumers]).toEqual([1500, 0]);
    world.pass(20_000);
    expect([world.outbound.bufferedBytes, world.outbound.slowConsumers]).toEqual([0, 0]);
  });

  it('measures bytes that the network has taken, also where all of them still count as waiting', () => {
    const world = new World({ minDrainBytesPerSecond: 1024, maxBufferedBytes: 4 * MIB });
    const [honest, stuck] = [new Reader(world), new Reader(world)];
    for (const reader of [honest, stuck]) reader.send(4 * MIB);
    world.pass(30_000, () => (honest.network.writableLength -= 200));
    expect([honest.destroyedAt, stuck.connection.closing?.code]).toEqual([null, 4003]);
  });

  it('destroys the largest backlogs while all together are too large, and no others', () => {
    const world = new World({ maxTotalBufferedBytes: 1000 });
    const readers = [300, 700, 100, 600, 200].map(bytes => {
      const reader = new Reader(world);
      reader.fill(bytes);
      return reader;
    });
    world.outbound.check();
    expect(readers.map(({ destroyedAt }) => destroyedAt === null)).toEqual([true, false, true, false, true]);
    expect(world.slow.map(event => event.type === 'slow' && [event.bufferedBytes, event.why])).toEqual([
      [700, 'total'],
      [600, 'total'],
    ]);
    expect(readers[1]!.connection.closing?.code).toBe(4003);
    expect(world.outbound.bufferedBytes).toBe(600);
  });

  it('counts the memory of small messages, beside their bytes', () => {
    const world = new World({ maxTotalBufferedBytes: 300_000 });
    const [large, small] = [new Reader(world), new Reader(world)];
    large.send(60_000);
    for (let message = 0; message < 500; message++) small.send(10);
    world.outbound.check();
    expect([large.destroyedAt, small.destroyedAt]).toEqual([null, 0]);
    expect(world.outbound.bufferedBytes).toBe(60_000);
  });

  it('keeps exactly maxTotalBufferedBytes', () => {
    const world = new World({ maxTotalBufferedBytes: 1000 });
    const reader = new Reader(world);
    reader.send(1000);
    world.outbound.check();
    expect([reader.destroyedAt, world.outbound.bufferedBytes]).toEqual([null, 1000]);
  });

  it('checks at once when the queued bytes may exceed the total, and otherwise once a second', () => {
    const world = new World({ maxTotalBufferedBytes: MIB });
    const readers = Array.from({ length: 4 }, () => new Reader(world));
    for (const reader of readers) reader.send(300_000);
    expect(readers.filter(({ destroyedAt }) => destroyedAt !== null)).toHaveLength(0);
    // The bytes queued since that sum may be too much: the next message causes a new sum.
    readers.at(-1)!.send(10);
    expect(readers.filter(({ destroyedAt }) => destroyedAt === 0)).toHaveLength(1);
    expect(world.outbound.bufferedBytes).toBe(900_000);
    world.pass(900);
    expect(world.outbound.bufferedBytes).toBe(900_000);
    world.pass(100);
    expect(world.outbound.bufferedBytes).toBe(900_010);
  });

  it('sums all backlogs at most once for each twentieth of the limit, also close to it', () => {
    const world = new World({ maxTotalBufferedBytes: MIB });
    const [full, reader] = [new Reader(world), new Reader(world)];
    full.send(MIB);
    world.outbound.check();
    const checks = jest.spyOn(world.outbound, 'check');
    for (let message = 0; message < 1000; message++) {
      reader.send(100);
      reader.take(100);
    }
    expect([checks.mock.calls.length, full.destroyedAt]).toEqual([1, null]);
  });

  it('is never above the limit after a check, and destroys only as many as necessary', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 5000 }),
        (sizes, cap) => {
          const world = new World({ maxTotalBufferedBytes: cap });
          const readers = sizes.map(() => new Reader(world));
          readers.forEach((reader, index) => reader.fill(sizes[index]!));
          world.outbound.check();
          const gone = readers
            .filter(({ destroyedAt }) => destroyedAt !== null)
            .map(({ bufferedAmount }) => bufferedAmount);
          const left = readers
            .filter(({ destroyedAt }) => destroyedAt === null)
            .map(({ bufferedAmount }) => bufferedAmount);
          const sum = left.reduce((total, bytes) => total + bytes, 0);
          expect(sum).toBeLessThanOrEqual(cap);
          expect(world.outbound.bufferedBytes).toBe(sum);
          expect(sum + Math.min(Infinity, ...gone)).toBeGreaterThan(cap);
          expect(Math.max(0, ...left)).toBeLessThanOrEqual(Math.min(Infinity, ...gone));
        },
      ),
    );
  });
});
