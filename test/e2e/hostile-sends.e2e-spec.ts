/** Sends, streams and broadcasts to clients that do not read: each ends by itself and costs no other client its time. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import type { Connection } from '../../libs/heartbeat/src/connection/connection.js';
import { TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';
import { socketOf } from '../support/servers/socket-of.js';
import { SECOND, KIB, MIB, start, only, backlog } from './reader-app.js';

afterEach(() => TestApp.closeAll());

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
