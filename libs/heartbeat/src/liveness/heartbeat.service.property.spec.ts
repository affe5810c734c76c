import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';

import * as fc from 'fast-check';
import type { WebSocket } from 'ws';

import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { HeartbeatEvents } from '../heartbeat.events.js';
import type { HeartbeatOptions } from '../heartbeat.options.js';
import { resolveOptions } from '../resolve-options.js';
import { HeartbeatService } from './heartbeat.service.js';

/** The second that the contract allows beyond. */
const SLACK = 1000;

/** A client, and the socket that we have of it. */
class Peer {
  isPaused = false;
  rttMs = 20;
  answers = true;
  destroyedAt: number | null = null;
  readonly pings: number[] = [];
  /** Bytes of a message in the making that no sweep has seen. */
  unswept = false;
  readonly network = { bytesRead: 0, bytesWritten: 0, isPaused: () => false };
  readonly connection: Connection;

  constructor(private readonly world: World) {
    const socket = this as unknown as WebSocket;
    const network = this.network as unknown as Socket;
    const opening = { socket, network, path: '/ws', ip: '10.0.0.1', userAgent: null, identity: null };
    this.connection = world.connections.open(opening);
    world.peers.push(this);
    world.heartbeat.watch(this.connection);
  }

  ping(): void {
    this.pings.push(this.world.node.attendedMs);
    if (this.answers) this.world.later(this, this.rttMs, () => this.pong());
  }

  pong(): void {
    this.network.bytesRead += 6;
    this.world.heartbeat.ponged(this.connection);
  }

  byte(): void {
    this.network.bytesRead++;
    this.unswept = true;
  }

  message(): void {
    this.unswept = false;
    this.network.bytesRead += 10;
    this.connection.countReceived(this.world.time);
  }

  close(): void {}

  terminate(): void {
    this.destroyedAt = this.world.node.attendedMs;
    this.world.connections.closed(this.connection, 1006, '');
  }
}

/** One interval that nothing moves. */
function fixed({ heartbeat = {}, ...rest }: HeartbeatOptions = {}): HeartbeatOptions {
  const { intervalMs = 25_000 } = heartbeat;
  return {
    ...rest,
    heartbeat: { adaptive: false, minIntervalMs: intervalMs, maxIntervalMs: intervalMs, ...heartbeat },
  };
}

/** What is sent comes in between the tick that is due and the looks, as it does in the event loop. */
class World {
  /** What the machine's clock tells, and what time it really is. */
  time = 5000;
  #real = 0;
  readonly node: NodeState;
  readonly connections: ConnectionService;
  readonly heartbeat: HeartbeatService;
  readonly peers: Peer[] = [];
  #coming: { peer: Peer; at: number; arrive: () => void }[] = [];

  /** @param sweeps Whether messages in the making are looked for once a second, as flow does. */
  constructor(
    options: HeartbeatOptions = {},
    private readonly sweeps = false,
  ) {
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    const events = new HeartbeatEvents();
    this.node = new NodeState(resolveOptions(fixed(options)), clock);
    this.connections = new ConnectionService(this.node, events);
    this.heartbeat = new HeartbeatService(this.node, events);
  }

  later(peer: Peer, delayMs: number, arrive: () => void): void {
    this.#coming.push({ peer, at: this.#real + delayMs, arrive });
  }

  /** One tick, `stepMs` after the last. */
  step(stepMs: number, jumpMs = 0): void {
    this.#real += stepMs;
    this.time += stepMs + jumpMs;
    this.heartbeat.tick(this.time);
    const coming = this.#coming;
    this.#coming = [];
    for (const each of coming) {
      if (each.at <= this.#real && !each.peer.isPaused) each.arrive();
      else this.#coming.push(each);
    }
    while (this.heartbeat.work());
    if (this.sweeps && this.node.attendedMs - this.node.accountedUntil >= 1000) this.#sweep();
  }

  #sweep(): void {
    for (const { connection, network, unswept } of this.peers) {
      const { bytesSeen, lookedAt } = connection.pulse;
      if (!unswept || network.bytesRead === bytesSeen) continue;
      connection.countBytes(this.time, Math.max(this.node.accountedUntil, lookedAt));
    }
    for (const peer of this.peers) peer.unswept = false;
    this.node.accountedUntil = this.node.attendedMs;
  }
}

/** Any options that could be configured, small enough to be lived through. */
const anyHeartbeat = fc
  .record({
    intervalMs: fc.integer({ min: 200, max: 8000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    missedPongs: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ intervalMs, share, missedPongs }) => ({
    intervalMs,
    pongTimeoutMs: 50 + Math.floor(share * (intervalMs - 51)),
    missedPongs,
  }));
/** Ticks that come in time or late, yet not so late that they are a stall. */
const anySteps = fc.array(fc.integer({ min: 50, max: 100 }), { minLength: 1, maxLength: 20 });
const anySwitches = fc.record({ skipWhenActive: fc.boolean(), sweeps: fc.boolean() });
const anyGaps = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 });

/** Goes on for so long, in ticks as they are given, over and over. */
function pass(world: World, ms: number, steps: readonly number[]): void {
  for (let passed = 0, tick = 0; passed < ms; tick++) {
    const step = steps[tick % steps.length]!;
    passed += step;
    world.step(step);
  }
}

describe('HeartbeatService, whatever the options and the ticks', () => {
  it('finds and destroys a peer that went silent within the contract’s bound, and asks it as often as it was told', () => {
    fc.assert(
      fc.property(
        anyHeartbeat,
        anySteps,
        anyGaps,
        anySwitches,
        (heartbeat, steps, gaps, { skipWhenActive, sweeps }) => {
          const world = new World({ heartbeat: { ...heartbeat, skipWhenActive } }, sweeps);
          const { intervalMs, pongTimeoutMs, missedPongs } = heartbeat;
          pass(world, gaps[0]! * intervalMs, steps);
          const peer = new Peer(world);
          for (const gap of gaps) {
            pass(world, gap * 1.5 * intervalMs, steps);
            // Now a message, now a byte of one.
            if (gap > 0.5) peer.message();
            else peer.byte();
          }
          peer.answers = false;
          const lastByteAt = world.node.attendedMs;
          const pingsBefore = peer.pings.length;
          const bound = intervalMs + missedPongs * pongTimeoutMs + SLACK;
          pass(world, bound, steps);
          // A ping may have been under way with the last byte.
          expect(peer.pings.length - pingsBefore).toBeGreaterThanOrEqual(missedPongs - 1);
          expect((peer.destroyedAt ?? Infinity) - lastByteAt).toBeLessThanOrEqual(bound);
          expect(world.connections.count).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('never finds dead who answers, whatever else happens', () => {
    const anyHappening = fc.record({
      kind: fc.constantFrom('message', 'byte', 'stall', 'jump', 'pause', 'resume', 'nothing'),
      share: fc.double({ min: 0, max: 2.5, noNaN: true }),
    });
    fc.assert(
      fc.property(
        anyHeartbeat.filter(({ pongTimeoutMs }) => pongTimeoutMs >= 300),
        anySteps,
        fc.array(anyHappening, { maxLength: 30 }),
        fc.boolean(),
        (heartbeat, steps, happenings, sweeps) => {
          const world = new World({ heartbeat }, sweeps);
          const peers = Array.from({ length: 5 }, () => new Peer(world));
          for (const peer of peers) peer.rttMs = heartbeat.pongTimeoutMs - 200;
          for (const { kind, share } of happenings) {
            const ms = Math.ceil(share * heartbeat.intervalMs);
            for (const peer of peers) {
              if (kind === 'message') peer.message();
              if (kind === 'byte') peer.byte();
              if (kind === 'pause' || kind === 'resume') peer.isPaused = kind === 'pause';
            }
            if (kind === 'stall') world.step(50 + ms);
            else if (kind === 'jump') world.step(50, ms * (share < 1 ? -10 : 10));
            else pass(world, ms, steps);
          }
          expect(peers.map(({ destroyedAt }) => destroyedAt)).toEqual(peers.map(() => null));
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each<[string, number, (peer: Peer) => void, boolean]>([
    ['sends a message within every interval', 1, peer => peer.message(), false],
    ['sends a message within every interval, where all bytes are accounted for', 1, peer => peer.message(), true],
    // Bytes that are no message are noticed to a quarter of the interval.
    ['sends a byte within every three quarters of it', 0.75, peer => peer.byte(), false],
  ])('pings nobody who %s', (_what, share, send, sweeps) => {
    fc.assert(
      fc.property(anyHeartbeat, anySteps, anyGaps, (heartbeat, steps, gaps) => {
        const world = new World({ heartbeat }, sweeps);
        const peer = new Peer(world);
        peer.answers = false;
        // The gap and the ticks that it is rounded to stay within the share.
        const longest = Math.max(0, share * heartbeat.intervalMs - 200);
        for (const gap of gaps) {
          send(peer);
          pass(world, gap * longest, steps);
        }
        expect(peer.pings).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
