import { afterEach, describe, expect, it } from '@jest/globals';

import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import type { Connection } from '../connection/connection.js';
import type { Closing } from '../connection/connection.types.js';
import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import { HeldAnswers } from './held-answers.js';
import { InboundService } from './inbound.service.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

/** Time for messages of one turn, and number of messages of a connection in its visit. */
const [TURN_MS, VISIT] = [10, 16];

/** To be stopped after the test. */
const worlds: World[] = [];

const BANNED: Closing = { code: 4501, reason: 'banned', by: 'operator' };

/** A node whose clock advances only by the cost of its handlers. */
class World {
  time = 1000;
  /** The clients whose messages were handled, in order. */
  readonly handled: string[] = [];
  readonly inbound: InboundService;
  /** Matched by a ban whose closes have not reached it yet. */
  banned: Connection | null = null;

  constructor() {
    const clock = { now: () => this.time, wallTime: (moment: number) => new Date(moment) };
    const closeIfBanned = (connection: Connection) => {
      if (this.banned === connection) (connection as { closing: Closing }).closing ??= BANNED;
    };
    const node = new NodeState(resolveOptions(), clock);
    this.inbound = new InboundService(node, new HeartbeatEvents(), { closeIfBanned }, new HeldAnswers());
    worlds.push(this);
  }

  /** A client whose messages each take this time, without a wait. */
  client(name: string, cost: number | (() => Promise<void>) = 1) {
    const socket = { isHeld: false, holdBack: () => (socket.isHeld = true), letGo: () => (socket.isHeld = false) };
    const connection = {
      channel: transportOf(socket),
      inFlight: 0,
      flow: null,
      mayBurst: true,
      ended: false,
      closing: null as Closing | null,
    };
    const its = connection as unknown as Connection;
    const handle = async () => {
      if (typeof cost === 'number') this.time += cost;
      else await cost();
      this.handled.push(name);
    };
    const take = () => this.inbound.run(its, handle);
    const send = (messages: number) => {
      for (let sent = 0; sent < messages; sent++) {
        if (this.inbound.mayTake(its, this.time)) take();
        else this.inbound.wait(its, { data: Buffer.alloc(1), isBinary: false }, take);
      }
    };
    return { socket, connection, send };
  }

  /** Uses up the rest of a turn. */
  hog(): void {
    this.client('hog', TURN_MS).send(1);
    this.handled.length = 0;
  }

  count(name: string): number {
    return this.handled.filter(each => each === name).length;
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve));

/** A client whose messages are passed on; their handlers begin two ticks later, as those of Socket.IO. */
function passing(world: World, handle: (message: number) => Promise<void>) {
  const { connection, socket } = world.client('io');
  const its = connection as unknown as Connection;
  let sent = 0;
  const take = (message: number) => {
    world.inbound.passOn(its);
    process.nextTick(process.nextTick, () => world.inbound.join(its, () => handle(message)));
  };
  const send = (messages: number) => {
    for (const last = sent + messages; sent < last; sent++) {
      const message = sent;
      if (world.inbound.mayTake(its, world.time)) take(message);
      else world.inbound.wait(its, { data: Buffer.from([message]), isBinary: true }, ({ data }) => take(data[0]!));
    }
  };
  return { connection, socket, send };
}

describe('InboundService, of turns', () => {
  afterEach(() => {
    for (const { inbound } of worlds.splice(0)) inbound.onApplicationShutdown();
  });

  it('handles at once what fits into the time of a turn; the rest waits, and its sender is not read', async () => {
    const world = new World();
    const flood = world.client('flood');
    flood.send(100);
    await turn();
    expect([world.handled.length, flood.socket.isHeld]).toEqual([TURN_MS, true]);
  });

  it('begins and schedules nothing after the shutdown, also where messages wait', async () => {
    const world = new World();
    world.client('flood').send(100);
    world.inbound.onApplicationShutdown();
    for (let turns = 0; turns < 5; turns++) await turn();
    expect([world.handled.length, process.getActiveResourcesInfo().includes('Immediate')]).toEqual([1, false]);
  });

  it('drops waiting messages of a connection that a ban matches, before the close has reached it', async () => {
    const world = new World();
    const [banned, other] = [world.client('banned'), world.client('other')];
    banned.send(100);
    other.send(5);
    await turn();
    const handled = world.count('banned');
    world.banned = banned.connection as unknown as Connection;
    for (let turns = 0; turns < 20; turns++) await turn();
    expect([handled, world.count('banned'), world.count('other')]).toEqual([TURN_MS, TURN_MS, 5]);
  });

  it('counts the time of all connections together', async () => {
    const world = new World();
    const [one, two, three] = [world.client('one'), world.client('two'), world.client('three')];
    one.send(6);
    two.send(6);
    three.send(1);
    await turn();
    expect([world.count('one'), world.count('two'), world.count('three')]).toEqual([6, 4, 0]);
    expect([one, two, three].map(({ socket }) => socket.isHeld)).toEqual([false, true, true]);
  });

  it('starts each turn with its full time', async () => {
    const world = new World();
    const { send, socket } = world.client('some');
    for (let turns = 1; turns <= 5; turns++) {
      send(TURN_MS);
      await turn();
      expect([world.handled.length, socket.isHeld]).toEqual([turns * TURN_MS, false]);
    }
  });

  it('serves waiting connections one after the other, a few messages of each in its turn', async () => {
    const world = new World();
    const names = ['flood', 'other', 'third'];
    const clients = names.map(name => world.client(name, 0.01));
    world.hog();
    [1000, 20, 1].forEach((messages, index) => clients[index]!.send(messages));
    // The first client has used up the first turn.
    await turn();
    expect(world.handled).toEqual([]);
    await turn();
    const runs = [VISIT, VISIT, 1, VISIT, 20 - VISIT].flatMap((length, index) =>
      Array.from({ length }, () => names[index % 3]),
    );
    expect(world.handled.slice(0, runs.length)).toEqual(runs);
    expect(clients.slice(1).map(({ socket }) => socket.isHeld)).toEqual([false, false]);
    expect(world.count('flood')).toBeGreaterThan(2 * VISIT);
  });

  it('lets the event loop run after each slice, and reads on when nothing waits', async () => {
    const world = new World();
    const flood = world.client('flood');
    flood.send(200);
    await turn();
    for (let turns = 0; world.handled.length < 200; turns++) {
      expect([turns < 50, flood.socket.isHeld]).toEqual([true, true]);
      const before = world.handled.length;
      await turn();
      expect(world.handled.length - before).toBeLessThanOrEqual(TURN_MS);
    }
    await turn();
    await turn();
    expect(flood.socket.isHeld).toBe(false);
  });

  it('makes a client that arrives meanwhile wait for its turn, which is one of the next', async () => {
    const world = new World();
    const floods = ['a', 'b', 'c'].map(name => world.client(name));
    for (const { send } of floods) send(1000);
    await turn();
    const late = world.client('late');
    late.send(1);
    expect(world.count('late')).toBe(0);
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
    await turn();
    flood.connection.closing = { code: 4004, reason: 'too many messages', by: 'server' };
    for (let turns = 0; turns < 10; turns++) await turn();
    expect([world.handled.length, flood.socket.isHeld]).toEqual([TURN_MS, true]);
  });
});

/** Runs `work` after this many promises, like Nest's pipeline of guards, pipes and interceptors before it calls a handler. */
async function afterPromises(count: number, work: () => void): Promise<void> {
  for (let promise = 0; promise < count; promise++) await Promise.resolve();
  work();
}

describe('InboundService, of handlers that take time before their first wait', () => {
  afterEach(() => {
    for (const { inbound } of worlds.splice(0)) inbound.onApplicationShutdown();
  });

  it.each([
    ['one connection', 1, 100],
    ['many connections, each with one message', 100, 1],
    ['many connections, each with some', 20, 5],
  ])('limits each turn to its time and one handler: %s', async (_what, clients, messages) => {
    const world = new World();
    const cost = 10;
    const senders = Array.from({ length: clients }, (_, index) =>
      world.client(`${index}`, () => afterPromises(10, () => (world.time += cost))),
    );
    // A separate read for each connection, all in one turn.
    for (const { send } of senders) process.nextTick(() => send(messages));
    for (let turns = 0; world.handled.length < 100; turns++) {
      expect(turns).toBeLessThan(1000);
      const before = world.time;
      await turn();
      expect(world.time - before).toBeLessThanOrEqual(TURN_MS + cost);
    }
  });

  it('begins the next handler as soon as the last one has ended, up to 16 in a row', async () => {
    const world = new World();
    world.client('some', 0).send(100);
    // Only promises: no other phase of the event loop runs meanwhile.
    await afterPromises(200, () => undefined);
    expect(world.handled.length).toBe(1 + 16);
    await turn();
    expect(world.handled.length).toBe(100);
  });

  it('limits each turn also where handlers leave promises that take time later', async () => {
    const world = new World();
    const cost = 10;
    // As long as the row of 16 handlers, and longer.
    const { send } = world.client('many', async () => {
      void afterPromises(200, () => (world.time += cost));
    });
    send(200);
    for (let turns = 0; world.handled.length < 200; turns++) {
      expect(turns).toBeLessThan(1000);
      const before = world.time;
      await turn();
      expect(world.time - before).toBeLessThanOrEqual(TURN_MS + 18 * cost);
    }
  });

  it('begins all handlers of one message one after the other as well', async () => {
    const world = new World();
    const { connection } = world.client('many');
    const its = connection as unknown as Connection;
    const handle = () =>
      afterPromises(3, () => {
        world.time += 10;
        world.handled.push('many');
      });
    expect(world.inbound.mayTake(its, world.time)).toBe(true);
    for (let handler = 0; handler < 50; handler++) world.inbound.run(its, handle);
    while (world.handled.length < 50) {
      const before = world.handled.length;
      await turn();
      expect(world.handled.length - before).toBeLessThanOrEqual(2);
    }
  });

  describe('with handlers that another library begins', () => {
    it('begins them one after the other, in order, for the time of a turn', async () => {
      const world = new World();
      const begun: number[] = [];
      const { send, socket } = passing(world, async message => {
        world.time += 1;
        begun.push(message);
      });
      send(200);
      await turn();
      expect(begun.length).toBeLessThanOrEqual(TURN_MS + 1);
      expect(socket.isHeld).toBe(true);
      while (begun.length < 200) {
        const before = begun.length;
        await turn();
        expect(begun.length - before).toBeLessThanOrEqual(TURN_MS + 1);
      }
      expect(begun).toEqual(Array.from({ length: 200 }, (_, index) => index));
      await turn();
      expect(socket.isHeld).toBe(false);
    });

    it('counts them in flight, and passes no message on while maxInFlight run', async () => {
      const world = new World();
      const ends: (() => void)[] = [];
      const { send, connection, socket } = passing(world, () => new Promise(resolve => ends.push(resolve)));
      send(100);
      for (let turns = 0; turns < 20; turns++) await turn();
      expect([ends.length, connection.inFlight, socket.isHeld]).toEqual([64, 64, true]);
      ends.splice(0).forEach(end => end());
      for (let turns = 0; turns < 20; turns++) await turn();
      expect([ends.length, connection.inFlight, socket.isHeld]).toEqual([36, 36, false]);
      ends.forEach(end => end());
      await turn();
      expect(connection.inFlight).toBe(0);
    });

    it('lets at most maxInFlight of them run where middleware lets many go at once, in order', async () => {
      const world = new World();
      const [begun, ends] = [[] as number[], [] as (() => void)[]];
      const { connection } = world.client('io');
      const its = connection as unknown as Connection;
      for (let number = 0; number < 200; number++) {
        world.inbound.join(its, () => {
          begun.push(number);
          return new Promise(resolve => ends.push(resolve));
        });
      }
      expect(begun.length).toBe(64);
      while (begun.length < 200) {
        const before = begun.length;
        ends.shift()!();
        for (let turns = 0; begun.length === before; turns++) {
          expect(turns).toBeLessThan(10);
          await turn();
        }
        expect(connection.inFlight).toBe(64);
      }
      expect(begun).toEqual(Array.from({ length: 200 }, (_, index) => index));
      // One for each 256 bytes of maxBufferedBytes.
      const closes: Closing[] = [];
      Object.assign(connection, { end: (closing: Closing) => closes.push(closing) === 0 });
      for (let number = 0; number < 4096 + 65; number++) world.inbound.join(its, async () => {});
      expect(closes[0]).toEqual({ code: 4004, reason: 'too much at once', by: 'server' });
    });
  });
});
