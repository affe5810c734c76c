/** Limits of Socket.IO's events: handlers in flight, Observables, and turns of the event loop, for one client that sends too much. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Server as HttpServer } from 'node:http';
import { Observable } from 'rxjs';
import type { ConnectionView, HeartbeatOptions } from 'nestjs-heartbeat';
import { trackSocketIo } from 'nestjs-heartbeat/socket.io';
import { Server } from 'socket.io';
import { until } from '../support/assert/until.js';
import { PollingClient } from '../support/clients/polling-client.js';
import { IoApp } from '../support/servers/io-app.js';

const TURN_MS = 10;
const SEPARATOR = '\x1e';
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** The handled events, in order, and the handlers that run. */
const seen = { begun: [] as unknown[], ends: [] as (() => void)[], streams: 0 };

@WebSocketGateway()
class LimitsGateway {
  /** Ends when the test ends it. */
  @SubscribeMessage('slow')
  async slow(@MessageBody() data: unknown): Promise<unknown> {
    seen.begun.push(data);
    await new Promise<void>(resolve => seen.ends.push(resolve));
    return data;
  }

  /** Takes a millisecond. */
  @SubscribeMessage('busy')
  busy(@MessageBody() data: unknown): void {
    spendMillisecond();
    seen.begun.push(data);
  }

  @SubscribeMessage('stream')
  stream(): Observable<unknown> {
    return new Observable(() => {
      seen.streams++;
      return () => seen.streams--;
    });
  }
}

@WebSocketGateway({ namespace: 'kept' })
class KeptGateway {}

function spendMillisecond(): void {
  for (const end = performance.now() + 1; performance.now() < end;);
}

beforeEach(() => {
  Object.assign(seen, { begun: [], ends: [], streams: 0 });
});
afterEach(() => {
  for (const end of seen.ends) end();
  return IoApp.closeAll();
});

const start = (options: HeartbeatOptions = {}) => IoApp.start({ gateways: [LimitsGateway, KeptGateway], options });
const snapshot = (app: IoApp) => app.connections.list().items[0] as ConnectionView;

/** Ends the running handlers until `count` have begun. Returns the maximum number that ran at once. */
async function endAll(count: number): Promise<number> {
  let most = 0;
  while (seen.begun.length < count || seen.ends.length > 0) {
    most = Math.max(most, seen.ends.length);
    seen.ends.splice(0).forEach(end => end());
    const before = seen.begun.length;
    await until(() => seen.begun.length > before || before === count);
  }
  return most;
}

/** The maximum number of events that one turn of the event loop has handled, until all are handled. */
async function mostInOneTurn(count: number): Promise<number> {
  let most = 0;
  for (let before = seen.begun.length; seen.begun.length < count; before = seen.begun.length) {
    await new Promise(resolve => setImmediate(resolve));
    most = Math.max(most, seen.begun.length - before);
  }
  return most;
}

async function pollingClient(app: { readonly port: number; onClose(cleanup: () => unknown): void }) {
  const client = new PollingClient(app.port);
  app.onClose(() => client.destroy());
  await client.open();
  await client.post('40');
  await client.poll();
  return client;
}

describe('The events of one client of Socket.IO', () => {
  it.each(['websocket', 'polling'])(
    'run in at most maxInFlight handlers at once, in order, over %s',
    async transport => {
      const app = await start({ limits: { maxInFlight: 4 } });
      const client = await app.connected({ transports: [transport] });
      for (const number of numbers(200)) client.emit('slow', number);
      await until(() => seen.ends.length === 4);
      expect(await endAll(200)).toBe(4);
      expect(seen.begun).toEqual(numbers(200));
    },
  );

  it('wait before they are read from a WebSocket, so that 100,000 of them take no memory', async () => {
    const app = await start();
    const client = await app.connected({ transports: ['websocket'] });
    for (let number = 0; number < 100_000; number++) client.emit('slow', 'x'.repeat(200));
    await until(() => seen.ends.length === 64);
    let [received, unchanged] = [-1, 0];
    await until(() => {
      const { messagesIn } = snapshot(app);
      unchanged = messagesIn === received ? unchanged + 1 : 0;
      received = messagesIn;
      return unchanged === 20;
    });
    // Those of a few reads of 64 KiB.
    expect(received).toBeLessThan(1500);
    expect([seen.begun.length, snapshot(app).state]).toEqual([64, 'open']);
  });

  it('close a client that polls with 4004 when more than maxBufferedBytes wait', async () => {
    const app = await start({ limits: { maxInFlight: 1 } });
    const events = app.recordEvents();
    const client = await pollingClient(app);
    const packets = Array.from({ length: 3000 }, () => '42["slow"]').join(SEPARATOR);
    for (let posts = 0; posts < 10 && app.connections.count > 0; posts++) await client.post(packets);
    await until(() => events.some(({ type }) => type === 'closed'));
    expect(events.find(({ type }) => type === 'closed')).toMatchObject({ code: 4004, reason: 'too much at once' });
    // 3,000 packets with their overhead are about a fifth of a megabyte.
    expect([seen.begun.length, events.filter(({ type }) => type === 'message-refused').length]).toEqual([1, 1]);
  });

  it('are handled for the time of a turn, then other work runs', async () => {
    const app = await start();
    const client = await pollingClient(app);
    await client.post(
      numbers(300)
        .map(number => `42["busy",${number}]`)
        .join(SEPARATOR),
    );
    expect(await mostInOneTurn(300)).toBeLessThanOrEqual(2 * TURN_MS + 2);
    expect(seen.begun).toEqual(numbers(300));
  });

  it('keep their binary values and acknowledgements while they wait', async () => {
    const app = await start({ limits: { maxInFlight: 2 } });
    for (const transports of [['websocket'], ['polling']]) {
      Object.assign(seen, { begun: [], ends: [] });
      const client = await app.connected({ transports });
      const answers = numbers(50).map(number =>
        client.emitWithAck('slow', { number, first: Buffer.from([number]), second: Buffer.alloc(2000, number) }),
      );
      await endAll(50);
      const received = (await Promise.all(answers)) as { number: number; first: Buffer; second: Buffer }[];
      expect(received.map(({ number, first, second }) => [number, first[0], second[1999], second.length])).toEqual(
        numbers(50).map(number => [number, number, number, 2000]),
      );
      client.disconnect();
    }
  });

  it('begin no more after the server has begun to close the connection', async () => {
    const app = await start({ limits: { maxInFlight: 2 } });
    const client = await app.connected({ transports: ['websocket'] });
    for (const number of numbers(50)) client.emit('slow', number);
    await until(() => seen.begun.length === 2 && snapshot(app).messagesIn > 2);
    const closed = new Promise(resolve => client.once('disconnect', resolve));
    app.connections.kick(snapshot(app).id);
    seen.ends.splice(0).forEach(end => end());
    await closed;
    await until(() => app.connections.count === 0);
    expect(seen.begun).toEqual([0, 1]);
  });

  it('have at most maxStreams living Observables; one more is an exception', async () => {
    const app = await start({ limits: { maxStreams: 5 } });
    const client = await app.connected({ transports: ['websocket'] });
    const exceptions: unknown[] = [];
    client.on('exception', exception => exceptions.push(exception));
    for (let count = 0; count < 20; count++) client.emit('stream');
    await until(() => exceptions.length === 15);
    expect(exceptions[0]).toEqual({
      status: 'error',
      message: 'This connection has reached its limit of 5 streams of answers: end one first.',
    });
    expect(seen.streams).toBe(5);
    client.disconnect();
    await until(() => seen.streams === 0);
  });

  it('leave room for further Observables when some have ended with their namespace', async () => {
    const app = await start({ limits: { maxStreams: 5 } });
    const client = await app.connected({ transports: ['websocket'] });
    const exceptions: unknown[] = [];
    for (let count = 0; count < 5; count++) client.emit('stream');
    await until(() => seen.streams === 5);
    // Another namespace keeps the connection.
    const kept = client.io.socket('/kept');
    await new Promise<void>(resolve => kept.once('connect', resolve));
    client.disconnect();
    await until(() => seen.streams === 0);
    const joined = new Promise<void>(resolve => client.once('connect', resolve));
    client.on('exception', exception => exceptions.push(exception)).connect();
    await joined;
    client.emit('stream');
    await until(() => seen.streams === 1);
    expect([exceptions, app.connections.count]).toEqual([[], 1]);
  });
});

describe('The events of a server that the application made itself', () => {
  it('are passed to its listeners for the time of a turn, then other work runs', async () => {
    const configure = (app: INestApplication) => {
      const server = new Server(app.getHttpServer() as HttpServer, { path: '/own', destroyUpgrade: false });
      trackSocketIo(app, server);
      server.on('connection', socket => {
        socket.on('busy', data => {
          spendMillisecond();
          seen.begun.push(data);
        });
      });
    };
    const app = await IoApp.start({ configure });
    const client = await app.connected({ path: '/own', transports: ['websocket'] });
    for (const number of numbers(300)) client.emit('busy', number);
    expect(await mostInOneTurn(300)).toBeLessThanOrEqual(2 * TURN_MS + 2);
    expect(seen.begun).toEqual(numbers(300));
  });
});
