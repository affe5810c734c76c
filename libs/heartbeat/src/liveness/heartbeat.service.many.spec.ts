import { beforeEach, describe, expect, it } from '@jest/globals';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import { HeartbeatService } from './heartbeat.service.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

const COUNT = 20_000;
const INTERVAL = 25_000;
const TICKS = INTERVAL / 50;
const AVERAGE = COUNT / TICKS;
/** Positions in the interval are even, except for runs of 32 that share one: one tick has one run more than another. */
const MANY = AVERAGE + 2 * 32;

/** The sockets of clients that answer each ping before the next tick. */
class Clients {
  readonly connections: Connection[] = [];
  readonly pings = new Uint32Array(COUNT);
  /** The number of reads of `bytesRead`: each check reads it once. */
  checks = 0;
  readonly #answering: number[] = [];
  pingsOfTick = 0;
  destroyed = 0;
  readonly networks: { bytes: number }[] = [];

  constructor(
    private readonly node: NodeState,
    private readonly heartbeat: HeartbeatService,
    registry: ConnectionService,
  ) {
    for (let index = 0; index < COUNT; index++) this.#open(index, registry);
  }

  #open(index: number, registry: ConnectionService): void {
    const check = () => this.checks++;
    const network = {
      bytes: 0,
      bytesWritten: 0,
      isPaused: () => false,
      get bytesRead() {
        check();
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
      transport: transportOf(socket, network),
      path: '/ws',
      ip: `10.0.${index >> 8}.${index & 255}`,
      userAgent: null,
      identity: null,
    });
    this.connections.push(connection);
    this.networks.push(network);
    this.heartbeat.watch(connection);
  }

  receive(index: number): void {
    this.networks[index]!.bytes += 6;
  }

  /** All clients send a message before the next tick. */
  sendAll(): void {
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
  let clients: Clients;

  beforeEach(() => {
    time = 0;
    const clock = { now: () => time, wallTime: (moment: number) => new Date(moment) };
    const node = new NodeState(
      resolveOptions({ heartbeat: { adaptive: false }, limits: { maxConnections: COUNT } }),
      clock,
    );
    const events = new HeartbeatEvents();
    const { connections } = wireNode(node, events);
    heartbeat = new HeartbeatService(node, connections, events);
    clients = new Clients(node, heartbeat, connections);
  });

  /** Runs the ticks; returns the number of pings that each tick sent. */
  function pass(ticks: number, stepMs = 50): number[] {
    return Array.from({ length: ticks }, () => {
      time += stepMs;
      clients.pingsOfTick = 0;
      heartbeat.tick(time);
      clients.answer();
      while (heartbeat.work());
      return clients.pingsOfTick;
    });
  }

  it('pings each client once per interval, and never many at once', () => {
    for (let interval = 1; interval <= 2; interval++) {
      const counts = pass(TICKS);
      expect(Math.max(...counts)).toBeLessThan(MANY);
      expect(sum(counts)).toBe(COUNT);
      expect(clients.pings.every(pings => pings === interval)).toBe(true);
    }
  });

  it('checks each client once per interval', () => {
    clients.checks = 0;
    pass(TICKS);
    // A check reads the bytes once, and so does a pong.
    expect(clients.checks / COUNT).toBeCloseTo(2, 1);
  });

  it('never pings many at once after a stall', () => {
    for (const stall of [2.5 * INTERVAL, 200]) {
      pass(TICKS / 5);
      pass(1, stall);
      const counts = pass(TICKS);
      expect(Math.max(...counts)).toBeLessThan(MANY);
    }
    expect(clients.destroyed).toBe(0);
  });

  it('pings no client early after a message from all, and never many at once from the next interval on', () => {
    pass(TICKS / 5);
    clients.sendAll();
    expect(sum(pass(TICKS - 1))).toBe(0);
    expect(sum(pass(20))).toBe(COUNT);
    const counts = pass(2 * TICKS);
    expect(Math.max(...counts.slice(TICKS))).toBeLessThan(MANY);
    expect(sum(counts.slice(TICKS))).toBe(COUNT);
  });

  it('destroys no client after a stall right after a tick’s pings, and destroys each that is silent afterwards', () => {
    pass(TICKS / 5);
    pass(1, 2.5 * INTERVAL);
    pass(TICKS);
    expect(clients.destroyed).toBe(0);
    clients.answer = () => undefined;
    pass((INTERVAL + 20_000 + 1000) / 50);
    expect(clients.destroyed).toBe(COUNT);
  });
});
