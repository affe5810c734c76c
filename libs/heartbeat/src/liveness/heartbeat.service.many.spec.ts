import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';

import type { WebSocket } from 'ws';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import { HeartbeatService } from './heartbeat.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';

const CROWD = 20_000;
const INTERVAL = 25_000;
const TICKS = INTERVAL / 50;
const AVERAGE = CROWD / TICKS;
/** Places in the interval are even, but for runs of 32 that share one: a tick has one more of them than another. */
const MANY = AVERAGE + 2 * 32;

/** The sockets of a crowd that answers each ping before the next tick. */
class Crowd {
  readonly connections: Connection[] = [];
  readonly pings = new Uint32Array(CROWD);
  /** How often each was looked at: a look reads `bytesRead`. */
  looks = 0;
  readonly #answering: number[] = [];
  pingsOfTick = 0;
  destroyed = 0;

  constructor(
    private readonly node: NodeState,
    private readonly heartbeat: HeartbeatService,
    registry: ConnectionService,
  ) {
    for (let index = 0; index < CROWD; index++) this.#open(index, registry);
  }

  #open(index: number, registry: ConnectionService): void {
    const look = () => this.looks++;
    const network = {
      bytes: 0,
      bytesWritten: 0,
      isPaused: () => false,
      get bytesRead() {
        look();
        return this.bytes;
      },
    };
    const socket = {
      isPaused: false,
      ping: () => {
        this.pings[index]!++;
        this.pingsOfTick++;
        this.#answering.push(index);
      },
      terminate: () => this.destroyed++,
    };
    const connection = registry.open({
      socket: socket as unknown as WebSocket,
      network: network as unknown as Socket,
      path: '/ws',
      ip: `10.0.${index >> 8}.${index & 255}`,
      userAgent: null,
      identity: null,
    });
    this.connections.push(connection);
    this.heartbeat.watch(connection);
  }

  receive(index: number): void {
    (this.connections[index]!.network as unknown as { bytes: number }).bytes += 6;
  }

  /** All send a message, before the next tick. */
  shout(): void {
    for (const [index, connection] of this.connections.entries()) {
      this.receive(index);
      connection.countReceived(this.node.clock.now());
    }
  }

  answer(): void {
    for (const index of this.#answering.splice(0)) {
      this.receive(index);
      this.heartbeat.ponged(this.connections[index]!);
    }
  }
}

const sum = (counts: readonly number[]) => counts.reduce((left, right) => left + right, 0);

describe('HeartbeatService with 20,000 connections that opened together', () => {
  let time: number;
  let heartbeat: HeartbeatService;
  let crowd: Crowd;

  beforeEach(() => {
    time = 0;
    const clock = { now: () => time, wallTime: (moment: number) => new Date(moment) };
    const node = new NodeState(
      resolveOptions({ heartbeat: { adaptive: false }, limits: { maxConnections: CROWD } }),
      clock,
    );
    const events = new HeartbeatEvents();
    heartbeat = new HeartbeatService(node, events);
    crowd = new Crowd(node, heartbeat, wireNode(node, events).connections);
  });

  /** Goes on tick by tick; answers how many pings each tick sent. */
  function pass(ticks: number, stepMs = 50): number[] {
    return Array.from({ length: ticks }, () => {
      time += stepMs;
      crowd.pingsOfTick = 0;
      heartbeat.tick(time);
      crowd.answer();
      while (heartbeat.work());
      return crowd.pingsOfTick;
    });
  }

  it('pings each once per interval, and never many at once', () => {
    for (let interval = 1; interval <= 2; interval++) {
      const counts = pass(TICKS);
      expect(Math.max(...counts)).toBeLessThan(MANY);
      expect(sum(counts)).toBe(CROWD);
      expect(crowd.pings.every(pings => pings === interval)).toBe(true);
    }
  });

  it('looks at each once per interval', () => {
    crowd.looks = 0;
    pass(TICKS);
    // A look reads the bytes once, and so does a pong.
    expect(crowd.looks / CROWD).toBeCloseTo(2, 1);
  });

  it('never pings many at once after a stall that all of them shared', () => {
    for (const stall of [2.5 * INTERVAL, 200]) {
      pass(TICKS / 5);
      pass(1, stall);
      const counts = pass(TICKS);
      expect(Math.max(...counts)).toBeLessThan(MANY);
    }
    expect(crowd.destroyed).toBe(0);
  });

  it('pings nobody early after a message that all of them sent, and never many at once from the next interval on', () => {
    pass(TICKS / 5);
    crowd.shout();
    expect(sum(pass(TICKS - 1))).toBe(0);
    expect(sum(pass(20))).toBe(CROWD);
    const counts = pass(2 * TICKS);
    expect(Math.max(...counts.slice(TICKS))).toBeLessThan(MANY);
    expect(sum(counts.slice(TICKS))).toBe(CROWD);
  });

  it('kills nobody in a stall right after a tick’s pings, and destroys every one that then is silent', () => {
    pass(TICKS / 5);
    pass(1, 2.5 * INTERVAL);
    pass(TICKS);
    expect(crowd.destroyed).toBe(0);
    crowd.answer = () => undefined;
    pass((INTERVAL + 20_000 + 1000) / 50);
    expect(crowd.destroyed).toBe(CROWD);
  });
});
