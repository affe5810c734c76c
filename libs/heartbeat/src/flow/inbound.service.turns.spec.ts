import { afterEach, describe, expect, it } from '@jest/globals';

import { HeartbeatEvents } from '../heartbeat.events.js';
import type { Connection } from '../connection/connection.js';
import type { Closing } from '../connection/connection-words.js';
import type { NodeState } from '../connection/node-state.js';
import { resolveOptions } from '../resolve-options.js';
import { InboundService } from './inbound.service.js';

/** How long the messages of one turn are handled at once, and how many of a connection in its visit. */
const [TURN_MS, VISIT] = [10, 16];

/** To be stopped after the test. */
const worlds: World[] = [];

/** A node whose clock goes on only by what its handlers cost. */
class World {
  time = 1000;
  /** Whose messages were handled, in order. */
  readonly handled: string[] = [];
  readonly inbound: InboundService;

  constructor() {
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    const node = { options: resolveOptions(), clock } as NodeState;
    this.inbound = new InboundService(node, new HeartbeatEvents());
    worlds.push(this);
  }

  /** A client whose messages are handled in so long, without waiting for anything. */
  client(name: string, costMs = 1) {
    const socket = { isHeld: false, holdBack: () => (socket.isHeld = true), letGo: () => (socket.isHeld = false) };
    const connection = { socket, inFlight: 0, ended: false, closing: null as Closing | null };
    const its = connection as unknown as Connection;
    const handle = async () => {
      this.time += costMs;
      this.handled.push(name);
    };
    const take = () => this.inbound.run(its, handle);
    const send = (messages: number) => {
      for (let sent = 0; sent < messages; sent++) {
        if (this.inbound.mayTake(its, this.time)) take();
        else this.inbound.wait(its, 1, take);
      }
    };
    return { socket, connection, send };
  }

  /** Uses up what is left of a turn. */
  hog(): void {
    this.client('hog', TURN_MS).send(1);
    this.handled.length = 0;
  }

  count(name: string): number {
    return this.handled.filter(each => each === name).length;
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve));

describe('InboundService, of turns', () => {
  afterEach(() => {
    for (const { inbound } of worlds.splice(0)) inbound.onApplicationShutdown();
  });

  it('handles at once what fits into the time of a turn; the rest waits, and its sender is not read', () => {
    const world = new World();
    const flood = world.client('flood');
    flood.send(100);
    expect([world.handled.length, flood.socket.isHeld]).toEqual([TURN_MS, true]);
  });

  it('counts the time of all together', () => {
    const world = new World();
    const [one, two, three] = [world.client('one'), world.client('two'), world.client('three')];
    one.send(6);
    two.send(6);
    three.send(1);
    expect([world.count('one'), world.count('two'), world.count('three')]).toEqual([6, 4, 0]);
    expect([one, two, three].map(({ socket }) => socket.isHeld)).toEqual([false, true, true]);
  });

  it('begins each turn with all of its time', async () => {
    const world = new World();
    const { send, socket } = world.client('some');
    for (let turns = 1; turns <= 5; turns++) {
      send(TURN_MS);
      expect([world.handled.length, socket.isHeld]).toEqual([turns * TURN_MS, false]);
      await turn();
    }
  });

  it('serves who waits one after the other, a few messages of each in its turn', async () => {
    const world = new World();
    const names = ['flood', 'other', 'third'];
    const clients = names.map(name => world.client(name, 0.01));
    world.hog();
    [1000, 20, 1].forEach((messages, index) => clients[index]!.send(messages));
    await turn();
    const runs = [VISIT, VISIT, 1, VISIT, 20 - VISIT].flatMap((length, index) =>
      Array.from({ length }, () => names[index % 3]),
    );
    expect(world.handled.slice(0, runs.length)).toEqual(runs);
    expect(clients.slice(1).map(({ socket }) => socket.isHeld)).toEqual([false, false]);
    expect(world.count('flood')).toBeGreaterThan(2 * VISIT);
  });

  it('gives the loop its turn after each slice of its own, and reads on when nothing waits', async () => {
    const world = new World();
    const flood = world.client('flood');
    flood.send(200);
    for (let turns = 0; world.handled.length < 200; turns++) {
      expect([turns < 50, flood.socket.isHeld]).toEqual([true, true]);
      const before = world.handled.length;
      await turn();
      // The clock is read between two visits.
      expect(world.handled.length - before).toBeLessThanOrEqual(VISIT);
    }
    await turn();
    await turn();
    expect(flood.socket.isHeld).toBe(false);
  });

  it('lets whoever comes while others are served wait its turn, which is the next but few', async () => {
    const world = new World();
    const floods = ['a', 'b', 'c'].map(name => world.client(name));
    for (const { send } of floods) send(1000);
    await turn();
    const late = world.client('late');
    late.send(1);
    expect([world.count('late'), late.socket.isHeld]).toEqual([0, true]);
    const before = world.handled.length;
    for (let turns = 0; world.count('late') === 0; turns++) {
      expect(turns).toBeLessThan(10);
      await turn();
    }
    expect(world.handled.indexOf('late') - before).toBeLessThanOrEqual(3 * VISIT);
  });

  it('handles no more of a flood that was refused for its rate, and reads no more of it', async () => {
    const world = new World();
    const flood = world.client('flood');
    flood.send(100);
    flood.connection.closing = { code: 4004, reason: 'too many messages', by: 'server' };
    for (let turns = 0; turns < 10; turns++) await turn();
    expect([world.handled.length, flood.socket.isHeld]).toEqual([TURN_MS, true]);
  });
});
