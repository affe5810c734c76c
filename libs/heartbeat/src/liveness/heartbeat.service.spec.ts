import { describe, expect, it } from '@jest/globals';

import { Peer, World } from '../../../../test/support/servers/liveness-world.js';

const INTERVAL = 25_000;
const TIMEOUT = 10_000;
/** The second of tolerance in docs/guarantees.md, Liveness. */
const SLACK = 1000;

const loadOf = (world: World, ratio: number) => (world.node.load = { ...world.node.load, ratio });

describe('HeartbeatService', () => {
  it('pings an idle connection once per interval, always at its own moment of it', () => {
    const world = new World();
    const peer = new Peer(world);
    world.pass(10 * INTERVAL);
    expect(peer.pings).toHaveLength(10);
    const { phase } = peer.connection.pulse;
    for (const ping of peer.pings) expect((ping - phase * 25 + INTERVAL) % INTERVAL).toBeLessThan(50);
  });

  it('does not ping a peer that sends a message within every interval', () => {
    const world = new World();
    const peer = new Peer(world);
    for (let turn = 0; turn < 20; turn++) {
      peer.message();
      world.pass(INTERVAL - 100);
    }
    expect(peer.pings).toEqual([]);
  });

  it('does not ping again within the interval after a message between a ping and its pong', () => {
    for (let turn = 0; turn < 20; turn++) {
      const world = new World();
      const peer = new Peer(world);
      peer.rttMs = 400;
      // After a message, the next ping is not at one of the connection's own ping moments.
      world.pass(3000 + turn * 1000);
      peer.message();
      world.untilPinged(peer);
      const { length } = peer.pings;
      world.later(peer, 100, () => peer.message());
      world.pass(INTERVAL);
      expect(peer.pings).toHaveLength(length);
    }
  });

  it.each([
    ['that is silent', () => undefined],
    ['also while the server keeps sending to it', (peer: Peer) => peer.connection.admits('message', 0)],
  ])('destroys a peer %s within the promised bound of its last byte, and records 4000', (_what, each) => {
    const world = new World();
    const peer = new Peer(world);
    world.pass(60_000);
    peer.message();
    peer.answers = false;
    const lastByteAt = world.node.attendedMs;
    while (peer.destroyedAt === null) {
      each(peer);
      world.step();
    }
    expect(peer.destroyedAt - lastByteAt).toBeGreaterThanOrEqual(INTERVAL + 2 * TIMEOUT);
    expect(peer.destroyedAt - lastByteAt).toBeLessThanOrEqual(INTERVAL + 2 * TIMEOUT + SLACK);
    expect(peer.connection.closing).toEqual({ code: 4000, reason: 'heartbeat timeout', by: 'server' });
    expect(world.events.map(({ type }) => type).slice(-5)).toEqual(['ping', 'missed', 'ping', 'missed', 'closed']);
    const flight = world.connections.closedHistory()[0]?.flight.map(({ what }) => what) ?? [];
    const [opened, pings, ...rest] = flight;
    expect([opened, pings]).toEqual(['opened', expect.stringMatching(/^2 pings answered; round trip /)]);
    expect(rest).toEqual([
      'ping 1 unanswered for 10000 ms',
      'ping 2 unanswered for 10000 ms',
      'closed with 4000 "heartbeat timeout" by the server',
    ]);
  });

  it('keeps to the bound with many pings of a timeout that does not fall on a tick', () => {
    const heartbeat = { intervalMs: 1000, pongTimeoutMs: 51, missedPongs: 10 };
    const world = new World({ heartbeat });
    const peer = new Peer(world);
    peer.answers = false;
    expect(world.untilDestroyed(peer)).toBeLessThanOrEqual(1000 + 10 * 51 + SLACK);
  });

  it('marks the peer alive at the first byte of a frame, not only at its last', () => {
    const world = new World();
    const peer = new Peer(world);
    peer.answers = false;
    for (let turn = 0; turn < 30; turn++) {
      peer.byte();
      world.pass(INTERVAL / 2);
    }
    expect([peer.pings.length, peer.destroyedAt, peer.connection.messagesIn]).toEqual([0, null, 0]);
  });

  it('forgives a missed ping once the next is answered', () => {
    const world = new World();
    const peer = new Peer(world);
    peer.answers = false;
    world.untilPinged(peer);
    world.untilPinged(peer);
    expect(peer.connection).toMatchObject({ state: 'probing', pulse: { missed: 1 }, rttMs: null });
    peer.answer();
    // It is unknown which of the two was answered.
    expect(peer.connection).toMatchObject({ state: 'open', pulse: { missed: 0 }, rttMs: null });
    expect(world.events.at(-1)).toEqual({ type: 'pong', id: peer.connection.id, rttMs: null });
    world.untilPinged(peer);
    world.untilPinged(peer);
    expect(peer.destroyedAt).toBeNull();
  });

  it('measures the round trip', () => {
    const world = new World();
    const peer = new Peer(world);
    peer.answers = false;
    world.untilPinged(peer);
    world.time += 12.5;
    peer.answer();
    expect(peer.connection.rttMs).toBe(12.5);
    expect(world.events.at(-1)).toEqual({ type: 'pong', id: peer.connection.id, rttMs: 12.5 });
    world.time += 5;
    peer.answer();
    expect(peer.connection.rttMs).toBe(12.5);
    // After a missed ping it stays the same, and the event has no round trip.
    for (let ping = 0; ping < 2; ping++) world.untilPinged(peer);
    peer.answer();
    expect([peer.connection.rttMs, world.events.at(-1)]).toEqual([
      12.5,
      { type: 'pong', id: peer.connection.id, rttMs: null },
    ]);
  });

  it.each([
    ['an hour', 3_600_000],
    ['five minutes', 300_000],
    ['a second', 1000],
  ])('records no round trip over a jump of the monotonic clock by %s', (_what, jumpMs) => {
    for (const isTicked of [true, false]) {
      const world = new World();
      const peer = new Peer(world);
      peer.answers = false;
      world.untilPinged(peer);
      // The tick may run before or after the answer is read.
      if (isTicked) world.step(50, jumpMs);
      else world.time += jumpMs;
      peer.answer();
      expect([peer.connection.rttMs, world.events.at(-1)]).toEqual([
        null,
        { type: 'pong', id: peer.connection.id, rttMs: null },
      ]);
      // The next round trip is measured again.
      world.untilPinged(peer);
      world.time += 20;
      peer.answer();
      expect(peer.connection.rttMs).toBe(20);
    }
  });

  it('never destroys a peer that answers late, but in time', () => {
    const world = new World();
    const peer = new Peer(world);
    peer.rttMs = TIMEOUT - 100;
    world.pass(20 * INTERVAL);
    expect([peer.destroyedAt, peer.connection.pulse.missed]).toEqual([null, 0]);
  });

  it('pings while outgoing bytes are buffered', () => {
    const world = new World();
    const peer = new Peer(world);
    Object.assign(peer, { bufferedAmount: 2 ** 30 });
    world.pass(INTERVAL + 50);
    expect(peer.pings).toHaveLength(1);
  });

  const bounds = { minIntervalMs: 20_000, maxIntervalMs: 40_000 };

  it('pings less often under load, and returns to the shorter interval in steps, within its bounds', () => {
    const world = new World({ heartbeat: { ...bounds, adaptive: true } });
    const intervals: number[] = [];
    const watch = () => {
      world.step();
      if (world.heartbeat.intervalMs !== intervals.at(-1)) intervals.push(world.heartbeat.intervalMs);
    };
    loadOf(world, 0.9);
    for (let step = 0; step < 60_000 / 50; step++) watch();
    loadOf(world, 0.1);
    for (let step = 0; step < 120_000 / 50; step++) watch();
    expect(intervals.slice(0, 4)).toEqual([25_000, 31_250, 39_063, 40_000]);
    expect([Math.min(...intervals), intervals.at(-1)]).toEqual([20_000, 20_000]);
  });

  it('keeps its interval where it is not adaptive, regardless of load', () => {
    const world = new World({ heartbeat: { ...bounds, adaptive: false } });
    loadOf(world, 1);
    world.pass(120_000);
    expect(world.heartbeat.intervalMs).toBe(INTERVAL);
  });

  it('keeps the bound while the interval grows', () => {
    for (let turn = 0; turn < 20; turn++) {
      const world = new World({ heartbeat: { ...bounds, adaptive: true } });
      const peer = new Peer(world);
      world.pass(turn * 2000);
      peer.message();
      peer.answers = false;
      const lastByteAt = world.node.attendedMs;
      loadOf(world, 1);
      expect(world.untilDestroyed(peer) - lastByteAt).toBeLessThanOrEqual(40_000 + 2 * TIMEOUT + SLACK);
    }
  });

  it('skips connections that are closing', () => {
    const world = new World();
    const peer = new Peer(world);
    peer.connection.close();
    world.pass(10 * INTERVAL);
    expect([peer.pings, peer.destroyedAt]).toEqual([[], null]);
  });
});
