// Measures: memory and the pace of readers.
/**
 * Clients that do not read: a client that pauses, trickles or vanishes must not cost the server its memory or another client its
 * time, and a client that is only slow is served.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import type { Connection } from '../../libs/heartbeat/src/connection/connection.js';
import { beat, TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { MAX_COST_BYTES, Attack } from '../support/faults/attack.js';
import { SlowReader } from './slow-reader.js';
import { until } from '../support/assert/until.js';
import { socketOf } from '../support/servers/socket-of.js';
import { SECOND, KIB, MIB, start, only, backlog } from './reader-app.js';

/** A client that does not read answers no ping; here the heartbeat must not end it. */
const SELDOM = beat(300_000, 10_000);
/** The default of `backpressure.slowAfterMs`. */
const SLOW_AFTER_MS = 10_000;

afterEach(async () => {
  await SlowReader.stopAll();
  await Attack.raiseAll();
  await TestApp.closeAll();
});

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
    expect(await attack.closed()).toEqual(Array(20).fill('4003 slow consumer'));
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
    expect(await attack.closed()).toEqual(trickling.map(() => '4003 slow consumer'));
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
    const closed = await attack.closed();
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
