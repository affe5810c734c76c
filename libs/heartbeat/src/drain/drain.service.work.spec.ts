import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { DrainClient, DrainWorld, turn } from '../../../../test/support/servers/drain-world.js';

const warnings = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
jest.spyOn(Logger.prototype, 'log').mockReturnValue(undefined);

/** All connections are reached in the first step. */
const AT_ONCE = { spreadMs: 0, workTimeoutMs: 5000 };

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
  warnings.mockClear();
});

afterEach(() => {
  jest.useRealTimers();
});

/** Begins a handler of this client; the returned function ends it. */
function begin(world: DrainWorld, { connection }: DrainClient): () => void {
  let end!: () => void;
  const ended = new Promise<void>(resolve => (end = resolve));
  world.inbound.run(connection, () => ended);
  return end;
}

/** The messages whose handlers have begun. */
const begun = new Set<string>();
let sent = 0;

/** Sends a message of this client. Returns whether a handler of it has begun. */
function send(world: DrainWorld, { connection }: DrainClient): () => boolean {
  const data = `${++sent}`;
  const message = { data: Buffer.from(data), isBinary: false };
  if (world.inbound.mayTake(connection, world.time)) begun.add(data);
  else world.inbound.wait(connection, message, waited => begun.add(waited.data.toString()));
  return () => begun.has(data);
}

describe('a drain that reaches a connection', () => {
  it('closes it at once without work', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client] = world.open(1) as [DrainClient];
    const { draining } = client.connection;
    world.start();
    await world.pass(20);
    expect([client.closedAt, draining.aborted, world.result?.total]).toEqual([0, true, 1]);
  });

  it('closes it as soon as its handlers have ended', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client] = world.open(1) as [DrainClient];
    const ends = [begin(world, client), begin(world, client)];
    world.start();
    await world.pass(100);
    expect([client.closedAt, client.connection.draining.aborted, world.node.drainWaiting]).toEqual([null, true, 1]);
    ends[0]!();
    await world.pass(100);
    expect(client.closedAt).toBeNull();
    ends[1]!();
    await turn();
    await world.pass(20);
    expect([client.closedAt, client.code, world.node.drainWaiting]).toEqual([210, 1001, 0]);
    expect(world.result).toEqual({ total: 1, terminated: 0, durationMs: 220 });
    expect([world.node.totals.drainWorkTimeouts, warnings.mock.calls]).toEqual([0, []]);
  });

  it('waits for a lease, until it is done or its time is over', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [first, second] = world.open(2) as [DrainClient, DrainClient];
    const lease = first.connection.busy('an answer');
    second.connection.busy('a call', { atMostMs: 300 });
    world.start();
    await world.pass(200);
    expect([first.closedAt, second.closedAt]).toEqual([null, null]);
    lease.done();
    await world.pass(200);
    expect([first.closedAt, second.closedAt]).toEqual([210, 300]);
  });

  it('closes it with unfinished work after workTimeoutMs, counts that, and names the work', async () => {
    const world = new DrainWorld({ ...AT_ONCE, workTimeoutMs: 1000 });
    const clients = world.open(8) as [DrainClient, ...DrainClient[]];
    clients[0].connection.busy('an answer\n');
    clients[1]!.connection.busy('an answer\n');
    const end = begin(world, clients[2]!);
    for (let more = 0; more < 5; more++) clients[3 + more]!.connection.busy(`${more}`);
    world.start();
    await world.pass(990);
    expect(clients.every(({ closedAt }) => closedAt === null)).toBe(true);
    await world.pass(40);
    expect(clients.every(({ closedAt }) => closedAt !== null && closedAt <= 1020)).toBe(true);
    expect([world.node.totals.drainWorkTimeouts, world.node.drainWaiting]).toEqual([8, 0]);
    expect(world.result?.terminated).toBe(0);
    const [line] = warnings.mock.calls[0] as [string];
    expect(line).toContain('8 connections were closed; drain.workTimeoutMs ended work: ');
    expect(line).toContain('handlers (1)');
    // The order is random: five of the six names.
    expect(line.match(/"[^"]+" \(\d\)/g)).toHaveLength(5);
    expect(line).toMatch(/other leases \([12]\)/);
    end();
  });

  it('waits for nothing with 0', async () => {
    const world = new DrainWorld({ ...AT_ONCE, workTimeoutMs: 0 });
    const [client] = world.open(1) as [DrainClient];
    const { draining } = client.connection;
    client.connection.busy('an answer');
    world.start();
    await world.pass(20);
    expect([client.closedAt, draining.aborted]).toEqual([0, true]);
  });

  it('gives each its time from the moment at which it is reached', async () => {
    const world = new DrainWorld({ spreadMs: 1000, workTimeoutMs: 2000 });
    const clients = world.open(50);
    for (const { connection } of clients) connection.busy('an answer');
    world.start();
    await world.pass(1990);
    expect(clients.every(({ closedAt }) => closedAt === null)).toBe(true);
    await world.pass(520);
    const closed = clients.filter(({ closedAt }) => closedAt !== null).length;
    expect(Math.abs(closed - 25)).toBeLessThanOrEqual(2);
    await world.pass(600);
    expect(world.result).toMatchObject({ total: 50, terminated: 0 });
  });

  it('closes it when its replies are flushed, and no later for what is sent after them', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client, slow] = world.open(2) as [DrainClient, DrainClient];
    const ends = [begin(world, client), begin(world, slow)];
    client.bufferedAmount = slow.bufferedAmount = 1000;
    world.start();
    await world.pass(50);
    for (const end of ends) end();
    await turn();
    await world.pass(100);
    expect(client.closedAt).toBeNull();
    client.bufferedAmount = 0;
    // The network has taken what waited; a broadcast waits now.
    slow.bytesTaken = 1000;
    await world.pass(20);
    expect([client.closedAt, slow.closedAt]).toEqual([160, 160]);
  });

  it('keeps to the deadline', async () => {
    const world = new DrainWorld({ spreadMs: 0, closeTimeoutMs: 100, workTimeoutMs: 800, deadlineMs: 900 });
    const [client] = world.open(1, false) as [DrainClient];
    client.connection.busy('an answer');
    world.start();
    await world.pass(890);
    expect(client.closedAt).toBe(800);
    await world.pass(20);
    expect([client.terminated, world.result?.terminated]).toEqual([true, 1]);
  });

  it('lets work end early, and lets a listener of `draining` announce work', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [early, late] = world.open(2) as [DrainClient, DrainClient];
    const lease = early.connection.busy('an answer');
    early.connection.draining.addEventListener('abort', () => lease.done());
    late.connection.draining.addEventListener('abort', () => {
      late.connection.busy('a last message', { atMostMs: 200 });
    });
    world.start();
    await world.pass(20);
    expect([early.closedAt, late.closedAt]).toEqual([0, null]);
    await world.pass(200);
    expect(late.closedAt).toBe(200);
  });

  it('leaves a connection alone that a listener of `draining` closes, or that was closing', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [own, closing] = world.open(2, false) as [DrainClient, DrainClient];
    for (const { connection } of [own, closing]) connection.busy('an answer');
    own.connection.draining.addEventListener('abort', () => own.connection.close(4100, 'later'));
    closing.connection.close(4200);
    world.start();
    await world.pass(50);
    expect([own.code, closing.code, world.node.drainWaiting]).toEqual([4100, 4200, 0]);
    world.drain.terminateAll();
    await world.pass(20);
  });
});

describe('messages of a connection for whose work a drain waits', () => {
  it('do not begin with handlers only; after an abort they do, in their order', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client] = world.open(1) as [DrainClient];
    const end = begin(world, client);
    world.start();
    await world.pass(10);
    const late = [send(world, client), send(world, client)];
    await world.pass(50);
    expect(late.map(has => has())).toEqual([false, false]);
    const { draining } = client.connection;
    world.drain.abort();
    await turn();
    await turn();
    expect(late.map(has => has())).toEqual([true, true]);
    expect([draining.aborted, client.connection.draining.aborted, world.node.drainWaiting]).toEqual([true, false, 0]);
    expect(send(world, client)()).toBe(true);
    end();
    await world.pass(6000);
    expect([client.closedAt, world.connections.count]).toEqual([null, 1]);
  });

  it('begin under a lease, unless it opts out, and not after it is done', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client, deaf] = world.open(2) as [DrainClient, DrainClient];
    const ends = [begin(world, client), begin(world, deaf)];
    const lease = client.connection.busy('an upload');
    deaf.connection.busy('an answer', { receive: false });
    world.start();
    await world.pass(20);
    expect([send(world, client)(), send(world, deaf)()]).toEqual([true, false]);
    lease.done();
    await world.pass(10);
    const late = send(world, client);
    await world.pass(50);
    expect([late(), client.closedAt]).toEqual([false, null]);
    // A lease that a handler takes while the drain waits.
    client.connection.busy('another', { atMostMs: 100 });
    await world.pass(20);
    expect(late()).toBe(true);
    for (const end of ends) end();
    await world.pass(200);
    expect([client.closedAt !== null, deaf.closedAt]).toEqual([true, null]);
    world.drain.terminateAll();
    await world.pass(20);
  });

  it('that maxInFlight holds back have not begun', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client] = world.open(1) as [DrainClient];
    const ends = Array.from({ length: world.node.options.limits.maxInFlight }, () => begin(world, client));
    const held = send(world, client);
    world.start();
    await world.pass(20);
    for (const end of ends) end();
    await turn();
    await world.pass(20);
    expect([held(), client.closedAt]).toEqual([false, 30]);
  });

  it('do not begin after a kick, and the drain waits no longer', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client] = world.open(1, false) as [DrainClient];
    const end = begin(world, client);
    world.start();
    await world.pass(20);
    const waiting = send(world, client);
    world.connections.kick(client.connection.id);
    expect([client.code, world.inbound.admit(client.connection)]).toEqual([4500, false]);
    end();
    await world.pass(20);
    expect([waiting(), world.node.drainWaiting]).toEqual([false, 0]);
    world.drain.terminateAll();
    await world.pass(20);
  });

  it('are dropped with a connection that its client closes', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client] = world.open(1) as [DrainClient];
    const end = begin(world, client);
    world.start();
    await world.pass(20);
    const waiting = send(world, client);
    client.connection.closeBegun({ code: 1000, reason: '', by: 'client' });
    world.connections.closed(client.connection, 1000, '');
    end();
    await world.pass(20);
    world.drain.abort();
    await world.pass(20);
    expect(waiting()).toBe(false);
  });
});

describe('a drain that is taken over', () => {
  it('leaves work no more time than the tighter settings', async () => {
    const world = new DrainWorld({ ...AT_ONCE, workTimeoutMs: 500 });
    const [client] = world.open(1) as [DrainClient];
    client.connection.busy('an answer');
    const run = world.run({ readinessDelayMs: 0, spreadMs: 0, deadlineMs: 60_000, workTimeoutMs: 50_000 });
    await world.pass(1000);
    expect(client.closedAt).toBeNull();
    run.takeOver(world.node.options.drain, 'SIGTERM');
    await world.pass(490);
    expect(client.closedAt).toBeNull();
    await world.pass(20);
    expect(client.closedAt).toBe(1500);
  });
});

describe('disposers that return promises', () => {
  it('are awaited by a drain', async () => {
    const world = new DrainWorld(AT_ONCE);
    const [client] = world.open(1) as [DrainClient];
    let saved!: () => void;
    client.connection.defer(() => new Promise<void>(resolve => (saved = resolve)));
    world.start();
    await world.pass(1000);
    expect([world.connections.count, world.result, world.drain.state]).toEqual([0, undefined, 'draining']);
    saved();
    await turn();
    await world.pass(20);
    expect(world.result).toMatchObject({ total: 1, terminated: 0, durationMs: 1010 });
  });

  it('are awaited until the deadline, also where the connection ended earlier', async () => {
    const world = new DrainWorld({ spreadMs: 0, closeTimeoutMs: 100, deadlineMs: 2000 });
    const [client] = world.open(1) as [DrainClient];
    client.connection.close();
    client.connection.defer(() => new Promise<void>(() => undefined));
    world.start();
    await world.pass(1980);
    expect(world.result).toBeUndefined();
    await world.pass(40);
    expect(world.result).toMatchObject({ total: 0, terminated: 0, durationMs: 2000 });
    expect(warnings.mock.calls).toEqual([
      ['drain ended after 2000 ms: 0 connections were closed; promises of disposers had not settled: 1'],
    ]);
  });
});

it('waits for many connections without a long turn, and closes a few in each', async () => {
  const world = new DrainWorld({ ...AT_ONCE, workTimeoutMs: 5000 });
  const clients = world.open(5000, false);
  const leases = clients.map(({ connection }) => connection.busy('an answer'));
  world.start();
  await world.pass(2000);
  for (let turns = 0; turns < 2000; turns++) await turn();
  expect([world.node.drainWaiting, clients.some(({ closedAt }) => closedAt !== null)]).toEqual([5000, false]);
  for (const lease of leases) lease.done();
  world.time += 10;
  jest.advanceTimersByTime(10);
  const closed = [];
  for (let turns = 0; turns < 5; turns++) {
    closed.push(clients.filter(({ closedAt }) => closedAt !== null).length);
    await turn();
  }
  expect(closed).toEqual([4, 8, 12, 16, 20]);
  for (let turns = 0; turns < 1300; turns++) await turn();
  expect(world.node.drainWaiting).toBe(0);
  world.drain.terminateAll();
  await world.pass(20);
});
