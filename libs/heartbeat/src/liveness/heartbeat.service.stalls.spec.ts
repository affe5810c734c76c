import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { Peer, World } from '../../../../test/support/servers/liveness-world.js';

const INTERVAL = 25_000;
const TIMEOUT = 10_000;
/** The second of tolerance in docs/guarantees.md, Liveness. */
const SLACK = 1000;

describe('HeartbeatService, of stalls and pauses', () => {
  it('writes no pong to a client that sends while its socket is paused, as when `ws` inflates', () => {
    const world = new World();
    const [busy, unread] = [new Peer(world), new Peer(world)];
    for (const peer of [busy, unread]) peer.isPaused = true;
    for (let second = 0; second < 600; second++) {
      busy.network.bytesRead += 1000;
      world.pass(1000);
    }
    expect([busy.called, busy.pings, busy.destroyedAt]).toEqual([[], [], null]);
    expect(unread.called.length).toBeGreaterThan(10);
    // When nothing more is read, a pong is written as well, since only a write detects an ended connection.
    world.pass(60_000);
    expect(busy.called.length).toBeGreaterThan(0);
  });

  it('does not judge a connection that is not read, and starts again when it is read', () => {
    const world = new World();
    const peer = new Peer(world);
    world.untilPinged(peer);
    peer.isPaused = true;
    world.pass(10 * INTERVAL);
    expect([peer.pings.length, peer.destroyedAt, peer.connection.pulse.missed]).toEqual([1, null, 0]);
    peer.isPaused = false;
    peer.answers = false;
    const readAgainAt = world.node.attendedMs;
    world.untilDestroyed(peer);
    expect(peer.destroyedAt! - readAgainAt).toBeGreaterThan(2 * TIMEOUT);
    expect(peer.destroyedAt! - readAgainAt).toBeLessThanOrEqual(INTERVAL + 2 * TIMEOUT + SLACK);
  });

  it('writes an unsolicited pong once per interval to a connection that is not read, so that its end is detected', () => {
    const world = new World();
    const [peer, other] = [new Peer(world), new Peer(world)];
    peer.isPaused = true;
    world.pass(10 * INTERVAL);
    expect([peer.pings, peer.called.length, other.called]).toEqual([[], 10, []]);
    const gaps = peer.called.slice(1).map((at, index) => at - peer.called[index]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(INTERVAL);
    peer.isPaused = false;
    world.pass(10 * INTERVAL);
    expect([peer.called.length, peer.destroyedAt]).toEqual([10, null]);
  });

  it.each([
    ['a stall of two and a half intervals', 2.5 * INTERVAL, 0],
    ['a day of suspension', 86_400_000, 0],
    ['a clock that jumps back', 50, -3_600_000],
    ['a clock that jumps forth', 50, 3_600_000],
  ])('destroys none for %s, right after pings', (_what, stepMs, jumpMs) => {
    const world = new World();
    const peers = Array.from({ length: 50 }, () => new Peer(world));
    for (let turn = 0; turn < 5; turn++) {
      for (const peer of peers) peer.rttMs = 150;
      world.untilPinged(peers[turn]!);
      world.step(stepMs, jumpMs);
      world.pass(INTERVAL);
    }
    expect(peers.filter(({ destroyedAt }) => destroyedAt !== null)).toEqual([]);
    expect(world.events.filter(({ type }) => type === 'missed')).toEqual([]);
  });

  it('detects dead connections after a stall within the bound, in attended time', () => {
    const world = new World();
    const peer = new Peer(world);
    peer.answers = false;
    world.untilPinged(peer);
    const pingedAt = world.node.attendedMs;
    world.step(3 * INTERVAL);
    expect(world.untilDestroyed(peer) - pingedAt).toBeLessThanOrEqual(2 * TIMEOUT + SLACK);
  });

  it('returns the time lost in this second of attended time and in the one before', () => {
    const world = new World();
    world.pass(900);
    expect(world.node.recentStallMs).toBe(0);
    world.step(5000);
    // Two ticks of it were attended, with which the next second has begun.
    expect([world.node.attendedMs, world.node.recentStallMs]).toEqual([1000, 4900]);
    world.step(1000);
    expect(world.node.recentStallMs).toBe(5800);
    world.pass(1850);
    expect([world.node.attendedMs, world.node.recentStallMs]).toEqual([2950, 5800]);
    world.step();
    expect(world.node.recentStallMs).toBe(0);
  });

  it('returns at most the loss of two seconds, however often the node stalls', () => {
    const world = new World();
    const told: number[] = [];
    for (let turn = 0; turn < 1000; turn++) {
      // Like a handler that blocks for 300 ms of every 700; 200 of them are lost.
      world.step(300);
      for (let tick = 0; tick < 8; tick++) world.step();
      told.push(world.node.recentStallMs);
    }
    // Two stalls are within each second of attended time.
    expect(Math.max(...told)).toBe(600);
  });

  it('does not count a slightly late tick as a stall, nor a clock that jumps back', () => {
    const world = new World();
    for (let turn = 0; turn < 100; turn++) world.step(120);
    world.step(50, -3_600_000);
    expect(world.node.recentStallMs).toBe(0);
  });

  describe('without skipWhenActive', () => {
    const options = { heartbeat: { skipWhenActive: false } };

    it('pings once per interval, with or without messages', () => {
      const world = new World(options);
      const peer = new Peer(world);
      for (let turn = 0; turn < 100; turn++) {
        peer.message();
        world.pass(INTERVAL / 10);
      }
      expect(peer.pings).toHaveLength(10);
    });

    it('marks the peer alive by bytes other than a pong', () => {
      const world = new World(options);
      const peer = new Peer(world);
      peer.answers = false;
      for (let turn = 0; turn < 100; turn++) {
        peer.message();
        world.pass(INTERVAL / 10);
      }
      expect(peer.destroyedAt).toBeNull();
    });
  });
});

const turn = () => new Promise(resolve => setImmediate(resolve));

describe('HeartbeatService, while running', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('ticks every 50 ms, checks only after pending input was read, and leaves no timer', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'performance', 'queueMicrotask', 'nextTick'] });
    const world = new World({ heartbeat: { intervalMs: 200, pongTimeoutMs: 100 } });
    const peer = new Peer(world);
    peer.answers = false;
    world.heartbeat.onApplicationBootstrap();
    for (let tick = 0; tick < 4; tick++) {
      world.time += 50;
      jest.advanceTimersByTime(50);
    }
    expect([world.node.attendedMs, peer.pings]).toEqual([200, []]);
    await turn();
    expect(peer.pings).toEqual([200]);
    world.heartbeat.onApplicationShutdown();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('works in slices: the rest is done in a later turn', () => {
    const world = new World();
    const peers = Array.from({ length: 100 }, () => new Peer(world));
    world.time += INTERVAL;
    for (let tick = 0; tick < INTERVAL / 100 + 1; tick++) world.heartbeat.tick((world.time += 100));
    // Each ping takes a millisecond of the clock.
    for (const peer of peers) peer.ping = () => void (peer.pings.push(1), (world.time += 1));
    expect(world.heartbeat.work()).toBe(true);
    expect(peers.filter(({ pings }) => pings.length > 0)).toHaveLength(1);
    for (let slices = 0; world.heartbeat.work(); slices++) expect(slices).toBeLessThan(100);
    expect(peers.every(({ pings }) => pings.length === 1)).toBe(true);
  });

  it('does a little in each turn, and more once it is behind', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'performance', 'queueMicrotask', 'nextTick'] });
    const world = new World({ heartbeat: { intervalMs: 200, pongTimeoutMs: 100 } });
    const peers = Array.from({ length: 32 }, () => new Peer(world));
    for (const peer of peers) peer.ping = () => void (peer.pings.push(1), (world.time += 0.25));
    const pinged = () => peers.filter(({ pings }) => pings.length > 0).length;
    world.heartbeat.onApplicationBootstrap();
    for (let tick = 0; tick < 8; tick++) world.heartbeat.tick((world.time += 50));
    jest.advanceTimersByTime(50);
    const done: number[] = [];
    for (let turns = 0; turns < 3; turns++) await turn().then(() => done.push(pinged()));
    expect(done).toEqual([1, 2, 3]);
    // The next tick finds the work of the last one unfinished.
    jest.advanceTimersByTime(50);
    for (let turns = 0; turns < 4; turns++) await turn().then(() => done.push(pinged()));
    expect(done.slice(3)).toEqual([11, 19, 27, 32]);
    // All work was done, so the slices are short again.
    const late = Array.from({ length: 32 }, () => new Peer(world));
    for (const peer of late) peer.ping = () => void (peer.pings.push(1), (world.time += 0.25));
    for (let tick = 0; tick < 8; tick++) world.heartbeat.tick((world.time += 50));
    jest.advanceTimersByTime(50);
    await turn();
    expect([...peers, ...late].flatMap(({ pings }) => pings)).toHaveLength(33);
    world.heartbeat.onApplicationShutdown();
  });

  it('returns the current interval, and the time since the last tick', () => {
    const world = new World();
    world.step();
    world.time += 30;
    expect([world.heartbeat.intervalMs, world.heartbeat.sinceTickMs]).toEqual([INTERVAL, 30]);
  });
});
