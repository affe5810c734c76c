// Measures: memory and the pace of readers.
/**
 * Clients that do not read: a client that pauses, trickles or vanishes must not cost the server its memory or another client its
 * time, and a client that is only slow is served.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { HeartbeatOptions } from 'nestjs-heartbeat';
import type { Connection } from '../../libs/heartbeat/src/connection/connection.js';
import { beat, TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { MAX_COST_BYTES, Attack } from '../support/faults/attack.js';
import { SlowReader } from './slow-reader.js';
import { until } from '../support/assert/until.js';
import { socketOf } from '../support/servers/socket-of.js';

const SECOND = 1000;
const KIB = 1024;
const MIB = 1024 * KIB;

/** A client that does not read answers no ping; here the heartbeat must not end it. */
const SELDOM = beat(300_000, 10_000);
/** The default of `backpressure.slowAfterMs`. */
const SLOW_AFTER_MS = 10_000;

@WebSocketGateway({ path: '/ws' })
class Gateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

afterEach(async () => {
  await SlowReader.stopAll();
  await Attack.raiseAll();
  await TestApp.closeAll();
});

function start(options: HeartbeatOptions): Promise<TestApp> {
  return TestApp.start({ gateways: [Gateway], options });
}

/** The only connection of an app. */
function only(app: TestApp): Connection {
  const [connection] = app.connections.all();
  if (connection === undefined) throw new Error('there is no connection');
  return connection;
}

/** Sends until `bytes` wait in this process, beyond what the kernel has taken. */
async function backlog(connection: Connection, bytes: number, piece = 16 * KIB): Promise<void> {
  await until(() => {
    for (let i = 0; i < 32 && socketOf(connection).bufferedAmount < bytes; i++)
      socketOf(connection).send(Buffer.alloc(piece));
    return socketOf(connection).bufferedAmount >= bytes;
  });
}

/** How the connections have closed, as the server has written it down. */
async function closedBy(attack: Attack): Promise<string[]> {
  const client = await attack.opened();
  client.sendEvent('closed');
  const { data } = (await until(() => client.json[0])) as { data: string[] };
  client.destroy();
  return data;
}

/** Reads one chunk after the other, with a pause between them, until the socket has ended. */
async function trickle(client: RawClient, pauseMs: number, isOver: () => boolean): Promise<void> {
  while (!client.socket.destroyed && !isOver()) {
    client.resume();
    await Promise.race([new Promise(resolve => client.socket.once('data', resolve)), client.ended]);
    client.pause();
    const end = performance.now() + pauseMs;
    await until(() => performance.now() >= end || client.socket.destroyed || isOver(), { timeoutMs: pauseMs + SECOND });
  }
}

describe('A reader that', () => {
  it('has stopped is closed with 4003 as soon as too much waits, and costs little', async () => {
    const attack = await Attack.lay({ options: { drain: { closeTimeoutMs: 500 } } });
    const clients = await attack.openClients(20);
    for (const client of clients) {
      client.pause();
      client.sendEvent('pour', { bytes: 64 * KIB, count: 200 });
    }
    await attack.emptied();
    expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
    expect(await closedBy(attack)).toEqual(Array(20).fill('4003 slow consumer'));
    expect(await attack.complaints()).toEqual([]);
  });

  it('has stopped with less than that waiting is destroyed after slowAfterMs', async () => {
    const app = await start({ backpressure: { slowAfterMs: SECOND, maxBufferedBytes: 32 * MIB } });
    const events = app.recordEvents();
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    await backlog(connection, 100 * KIB);
    const since = performance.now();
    await until(() => connection.ended);
    const tookMs = performance.now() - since;
    // The first check finds the backlog, and checks run once a second.
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(3500);
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4003, closedBy: 'server' }]);
    expect(events).toContainEqual(expect.objectContaining({ type: 'slow', why: 'slow' }));
  });

  it('trickles under minDrainBytesPerSecond is destroyed, and one that is slow but above it is served', async () => {
    const limits = {
      backpressure: { slowAfterMs: 2 * SECOND, minDrainBytesPerSecond: 256 * KIB, maxBufferedBytes: 64 * MIB },
    };
    const app = await start(limits);
    const trickling = await app.opened();
    trickling.pause();
    const [first] = app.connections.all();
    await backlog(first as Connection, 4 * MIB);
    const slow = await app.opened();
    slow.pause();
    const second = [...app.connections.all()][1] as Connection;
    await backlog(second, 8 * MIB);
    const expected = second.messagesOut;
    const isOver = () => (first as Connection).ended && (slow.messages.length === expected || second.ended);
    await Promise.all([trickle(trickling, 700, isOver), trickle(slow, 20, isOver)]);
    expect(app.connections.closedHistory()).toMatchObject([{ id: first?.id, code: 4003 }]);
    expect(slow.messages).toHaveLength(expected);
    expect(slow.closeFrame).toBeNull();
  });

  it('takes 4 kB/s through a small window is served, and ones that take next to nothing are destroyed', async () => {
    const attack = await Attack.lay({ options: { heartbeat: SELDOM } });
    // 500 kB wait for each, as many small messages of one turn: they go out as one write.
    const open = (bytesPerSecond: number) =>
      SlowReader.open(attack.server.port, bytesPerSecond, { event: 'fill', data: { bytes: 200, waiting: 500_000 } });
    const trickling = await Promise.all([open(100), open(100), open(0)]);
    const honest = await Promise.all([open(4 * KIB), open(4 * KIB), open(4 * KIB)]);
    const since = performance.now();
    // Bytes that the kernel takes at the beginning count as taken, and may be taken in two steps.
    await attack.emptied(honest.length, 2 * SLOW_AFTER_MS);
    expect(performance.now() - since).toBeGreaterThan(SLOW_AFTER_MS - 2 * SECOND);
    expect(await closedBy(attack)).toEqual(trickling.map(() => '4003 slow consumer'));
    // Beyond the time within which they would have been found as well.
    await until(() => performance.now() - since > SLOW_AFTER_MS + 5 * SECOND, { timeoutMs: 10 * SECOND });
    expect((await attack.state()).connections).toBe(honest.length + 1);
    const paceOf = ({ bytes }: SlowReader) => (SECOND * bytes) / (performance.now() - since);
    for (const reader of honest) {
      expect(reader.ended).toBe(false);
      expect(paceOf(reader)).toBeGreaterThan(2 * KIB);
      expect(paceOf(reader)).toBeLessThan(6 * KIB);
    }
    expect(await attack.complaints()).toEqual([]);
  }, 240_000);

  it('stops with a thousand others is sacrificed, largest first, until all together are few enough', async () => {
    const cap = 16 * MIB;
    const attack = await Attack.lay({
      options: {
        heartbeat: SELDOM,
        backpressure: { maxTotalBufferedBytes: cap, slowAfterMs: 60 * SECOND, maxBufferedBytes: 64 * MIB },
      },
    });
    const readers = await attack.openClients(5);
    const stopped = [...(await attack.openClients(500)), ...(await attack.openClients(500))];
    for (const client of stopped) client.pause();
    const [first] = readers;
    // In pieces that the loop can spread: what is tested is the memory, not the broadcast.
    first?.sendEvent('pour-all', { bytes: 4 * KIB, count: 1000 });
    await until(() => first?.texts.includes('{"event":"poured"}'), {
      timeoutMs: 40_000,
      message: 'the end of the broadcasts',
    });
    await until(() => readers.every(reader => reader.messages.length >= 1000), { timeoutMs: 40_000 });
    const closed = await closedBy(attack);
    expect(new Set(closed)).toEqual(new Set(['4003 slow consumer']));
    expect(attack.costOfEach(1000)).toBeLessThan(MAX_COST_BYTES);
    // Beside what the kernel holds, and the heap that a process of this size has anyway.
    expect(attack.costOfEach(1)).toBeLessThan(cap + 256 * MIB);
    expect(await attack.complaints()).toEqual([]);
  }, 240_000);
});

describe('At maxBufferedBytes', () => {
  const BACKPRESSURE = { maxBufferedBytes: 256 * KIB, slowAfterMs: 60 * SECOND } as const;

  it('the policy "close" closes with 4003', async () => {
    const app = await start({ backpressure: BACKPRESSURE });
    const events = app.recordEvents();
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    await until(() => {
      socketOf(connection).send(Buffer.alloc(64 * KIB));
      return connection.state === 'closing';
    });
    expect(socketOf(connection).bufferedAmount).toBeLessThanOrEqual(BACKPRESSURE.maxBufferedBytes + 256);
    client.resume();
    expect(await client.ended).toMatchObject({ code: 4003, reason: 'slow consumer' });
    expect(events).toContainEqual(expect.objectContaining({ type: 'slow', why: 'limit' }));
  });

  it('the policy "drop-newest" keeps the connection and its backlog, drops new messages, and continues afterwards', async () => {
    const app = await start({ backpressure: { ...BACKPRESSURE, policy: 'drop-newest' } });
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    let sent = 0;
    let most = 0;
    await until(() => {
      for (let i = 0; i < 64; i++) socketOf(connection).send(`${sent++}`.padEnd(16 * KIB));
      most = Math.max(most, socketOf(connection).bufferedAmount);
      return sent - connection.messagesOut > 100;
    });
    // A frame's header comes on top of each message.
    expect(most).toBeLessThanOrEqual(BACKPRESSURE.maxBufferedBytes + 64 * 14);
    const kept = connection.messagesOut;
    client.resume();
    await until(() => client.messages.length === kept);
    // None is missing within what came before the first that was dropped.
    expect(client.texts.slice(0, 20).map(text => Number(text))).toEqual(Array.from({ length: 20 }, (_, i) => i));
    client.sendEvent('echo', 'on');
    await until(() => client.texts.at(-1) === '{"event":"echo","data":"on"}');
    expect(client.closeFrame).toBeNull();
  });

  it('control frames pass: pings are sent, and a close arrives behind what waits', async () => {
    const app = await start({
      backpressure: { ...BACKPRESSURE, policy: 'drop-newest' },
      heartbeat: beat(SECOND, 900, 10),
      drain: { closeTimeoutMs: 5000, deadlineMs: 20_000 },
    });
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    await until(() => {
      for (let i = 0; i < 32; i++) socketOf(connection).send(Buffer.alloc(16 * KIB));
      return connection.flight !== null;
    });
    const pings = app.recordEvents();
    await until(() => pings.filter(({ type }) => type === 'ping').length >= 2);
    connection.close(4321, 'enough');
    client.resume();
    const ended = await client.ended;
    expect({ code: ended.code, reason: ended.reason }).toEqual({ code: 4321, reason: 'enough' });
    expect(client.pings.length).toBeGreaterThanOrEqual(2);
  });
});

describe('Connection.send', () => {
  it('resolves when the bytes have left, and not before', async () => {
    const app = await start({ backpressure: { maxBufferedBytes: 64 * MIB, slowAfterMs: 60 * SECOND } });
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    await backlog(connection, MIB);
    let isSent = false;
    const sent = connection.send({ event: 'last' }).then(() => (isSent = true));
    // The loop turns many times, and nothing is taken.
    for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve));
    expect(isSent).toBe(false);
    client.resume();
    await sent;
    expect(socketOf(connection).bufferedAmount).toBe(0);
    await until(() => client.texts.at(-1) === '{"event":"last"}');
  });

  it.each<[string, (connection: Connection, client: RawClient) => unknown]>([
    ['is destroyed', connection => socketOf(connection).terminate()],
    ['is reset by its peer', (_, client) => client.reset()],
  ])('rejects when the connection %s first', async (_, end) => {
    const app = await start({ backpressure: { maxBufferedBytes: 64 * MIB, slowAfterMs: 60 * SECOND } });
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    await backlog(connection, MIB);
    const sending = Promise.allSettled([connection.send('one'), connection.send('two')]);
    end(connection, client);
    const results = await sending;
    expect(results).toEqual(
      results.map(() => ({
        status: 'rejected',
        reason: expect.objectContaining({ code: 'HEARTBEAT_CONNECTION_CLOSED' }),
      })),
    );
    await expect(connection.send('three')).rejects.toMatchObject({ code: 'HEARTBEAT_CONNECTION_CLOSED' });
  });

  it('rejects a dropped message as dropped, not as the end of the connection', async () => {
    const app = await start({
      backpressure: { maxBufferedBytes: 128 * KIB, policy: 'drop-newest', slowAfterMs: 60 * SECOND },
    });
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    await until(() => {
      for (let i = 0; i < 32; i++) socketOf(connection).send(Buffer.alloc(16 * KIB));
      return connection.flight !== null;
    });
    await expect(connection.send(Buffer.alloc(64 * KIB))).rejects.toMatchObject({ code: 'HEARTBEAT_MESSAGE_DROPPED' });
    expect(connection.ended).toBe(false);
  });

  it('rejects, and does not throw, for what JSON cannot hold', async () => {
    const app = await start({});
    await app.opened();
    const connection = only(app);
    let result: Promise<void> | null = null;
    expect(() => (result = connection.send({ big: 1n }))).not.toThrow();
    await expect(result).rejects.toThrow(TypeError);
  });
});

describe('Connection.stream', () => {
  /** A source of so many pieces, which counts what was taken of it. */
  class Source extends Readable {
    given = 0;

    constructor(
      private readonly pieces: number,
      private readonly bytes: number,
    ) {
      super({ highWaterMark: 64 * KIB });
    }

    override _read(): void {
      this.push(this.given === this.pieces ? null : Buffer.alloc(this.bytes, this.given++));
    }
  }

  it('pumps no faster than the peer takes it, and to the end', async () => {
    const app = await start({});
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    const source = new Source(2000, 16 * KIB);
    let most = 0;
    const look = setInterval(() => (most = Math.max(most, socketOf(connection).bufferedAmount)), 1);
    app.onClose(() => clearInterval(look));
    const pumped = connection.stream(source);
    // It stands still once the kernel's buffers are full.
    let before = -1;
    await until(async () => {
      const same = source.given === before;
      before = source.given;
      await new Promise(resolve => setTimeout(resolve, 100));
      return same;
    });
    expect(source.given).toBeLessThan(1000);
    client.resume();
    await pumped;
    // A stream of bytes may hand over several of its pieces as one; none may be lost, and none change places.
    const bytes = () => Buffer.concat(client.messages.map(({ data }) => data as Buffer));
    const received = () => client.messages.reduce((sum, { data }) => sum + data.length, 0);
    await until(() => received() === 2000 * 16 * KIB, { timeoutMs: 10_000 });
    const all = bytes();
    const firstOfEach = Array.from({ length: 2000 }, (_, i) => all[i * 16 * KIB]);
    expect(firstOfEach).toEqual(Array.from({ length: 2000 }, (_, i) => i % 256));
    expect(most).toBeLessThanOrEqual(2 * 64 * KIB);
  });

  it.each<[string, (connection: Connection, client: RawClient) => unknown]>([
    ['its peer resets', (_, client) => client.reset()],
    ['it is closed', connection => connection.close()],
    ['it is destroyed', connection => socketOf(connection).terminate()],
  ])('ends with its connection when %s, and destroys its source', async (_, end) => {
    const app = await start({ drain: { closeTimeoutMs: 300 } });
    const client = await app.opened();
    client.pause();
    const connection = only(app);
    const source = new Source(100_000, 16 * KIB);
    const pumped = connection.stream(source).then(
      () => 'resolved',
      () => 'rejected',
    );
    await until(() => socketOf(connection).bufferedAmount > 0);
    end(connection, client);
    expect(await pumped).toBe('rejected');
    expect(source.destroyed).toBe(true);
    expect(source.given).toBeLessThan(1000);
  });
});

describe('A broadcast', () => {
  it('reaches all clients that read, whatever other clients do', async () => {
    const app = await start({ backpressure: { maxBufferedBytes: 256 * KIB }, drain: { closeTimeoutMs: 300 } });
    const readers = await Promise.all(Array.from({ length: 20 }, () => app.opened()));
    const others = await Promise.all(Array.from({ length: 20 }, () => app.opened()));
    others.slice(0, 10).forEach(client => client.pause());
    for (let i = 0; i < 40; i++) {
      // Some vanish in the middle of it, some are closing.
      if (i === 10) others.slice(10, 15).forEach(client => client.reset());
      if (i === 20) [...app.connections.all()].slice(-3).forEach(connection => connection.close());
      const told = app.connections.broadcast({ event: 'news', data: `${i}`.padEnd(128 * KIB) });
      expect(told).toBeGreaterThanOrEqual(20);
      await new Promise(resolve => setImmediate(resolve));
    }
    await until(() => readers.every(({ messages }) => messages.length === 40), { timeoutMs: 10_000 });
    for (const { texts } of readers) {
      expect(texts.map(text => Number((JSON.parse(text) as { data: string }).data))).toEqual(
        Array.from({ length: 40 }, (_, i) => i),
      );
    }
    await until(() => app.connections.closedHistory().filter(({ code }) => code === 4003).length === 10, {
      timeoutMs: 10_000,
    });
    expect(app.connections.count).toBeGreaterThanOrEqual(20);
  });

  it('of a value that JSON cannot hold throws to its caller and closes no connection', async () => {
    const app = await start({});
    const client = await app.opened();
    expect(() => app.connections.broadcast({ big: 1n })).toThrow(TypeError);
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    expect(client.closeFrame).toBeNull();
  });
});
