/** What a drain waits for, and what its clients see meanwhile: handlers, leases, an abort, a kick. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type BusyLease, Connection, ConnectionTracker, CurrentConnection, DrainService } from 'nestjs-heartbeat';
import type { Server } from 'node:http';
import { WebSocketServer } from 'ws';
import { ask } from '../support/clients/ask.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';
import { TestApp, type TestAppOptions } from '../support/servers/app.js';

const LARGE = 15 * 1024 * 1024;

/** Messages whose handler has begun, handlers that wait for their end, and leases. */
const seen = { begun: [] as unknown[], ends: [] as (() => void)[], leases: [] as BusyLease[] };

@WebSocketGateway({ path: '/ws' })
class WorkGateway {
  /** Ends when the test ends it. */
  @SubscribeMessage('slow')
  async slow(@MessageBody() data: unknown): Promise<object> {
    seen.begun.push(data);
    await new Promise<void>(resolve => seen.ends.push(resolve));
    return { event: 'slow', data };
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): object {
    seen.begun.push(data);
    return { event: 'echo', data };
  }

  @SubscribeMessage('busy')
  busy(@CurrentConnection() connection: Connection, @MessageBody() limits: object): object {
    seen.leases.push(connection.busy('a call', limits));
    return { event: 'busy' };
  }

  @SubscribeMessage('large')
  async large(): Promise<string> {
    await new Promise<void>(resolve => seen.ends.push(resolve));
    return 'x'.repeat(LARGE);
  }
}

beforeEach(() => {
  Object.assign(seen, { begun: [], ends: [], leases: [] });
});
afterEach(async () => {
  endAll();
  for (const lease of seen.leases) lease.done();
  await TestApp.closeAll();
});

function endAll(): void {
  for (const end of seen.ends.splice(0)) end();
}

const start = ({ options, ...given }: TestAppOptions = {}) =>
  TestApp.start({
    gateways: [WorkGateway],
    ...given,
    options: { ...options, drain: { workTimeoutMs: 10_000, deadlineMs: 20_000, ...options?.drain } },
  });
const drainOf = ({ app }: TestApp) => app.get(DrainService);
const eventsOf = (client: RawClient) => (client.json as { event: string }[]).map(({ event }) => event);
const waits = async (app: TestApp) => {
  const { text } = await ask({ port: app.port, path: '/metrics' });
  return Number(/^ws_drain_waiting (\d+)$/m.exec(text)?.[1]);
};

/** A client with a handler in flight, for which a drain waits. */
async function working(app: TestApp): Promise<{ client: RawClient; result: Promise<unknown> }> {
  const client = await app.opened();
  client.sendEvent('slow', 1);
  await until(() => seen.begun.length === 1);
  const result = drainOf(app).start('a test');
  await until(async () => (await waits(app)) === 1);
  return { client, result };
}

describe('a client with a handler in flight, in a drain', () => {
  it('is answered pings and application heartbeats, and no further message', async () => {
    const app = await start();
    const { client, result } = await working(app);
    client.sendEvent('echo', 2);
    client.sendEvent('heartbeat', { sentAt: 7 });
    client.ping('still here');
    await until(() => client.pongs.length === 1 && client.json.length === 1);
    expect([client.json, client.closeFrame, seen.begun]).toEqual([
      [expect.objectContaining({ event: 'heartbeat', data: expect.objectContaining({ sentAt: 7 }) })],
      null,
      [1],
    ]);
    endAll();
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    expect(eventsOf(client)).toEqual(['heartbeat', 'slow', 'goodbye']);
    expect([(await client.ended).code, seen.begun]).toEqual([1001, [1]]);
  });

  it('may close by itself', async () => {
    const app = await start();
    const { client, result } = await working(app);
    client.sendEvent('echo', 2);
    client.close(1000);
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    expect([(await client.ended).code, seen.begun]).toEqual([1000, [1]]);
    endAll();
  });

  it('is kicked without a further message, whether or not it answers the close frame', async () => {
    const app = await start();
    const { client, result } = await working(app);
    client.silent();
    app.connections.kick(app.connections.list().items[0]!.id);
    client.sendEvent('echo', 2);
    client.sendEvent('heartbeat', {});
    endAll();
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    expect([(await client.ended).code, seen.begun]).toEqual([4500, [1]]);
  });

  it('receives a large reply in whole before the close frame, also where reading it takes longer than a closing handshake', async () => {
    const app = await start({
      options: {
        drain: { closeTimeoutMs: 1000 },
        backpressure: { maxBufferedBytes: 2 * LARGE, maxTotalBufferedBytes: 4 * LARGE },
      },
    });
    const client = await app.opened();
    client.sendEvent('large');
    await until(() => seen.ends.length === 1);
    const result = drainOf(app).start('a test');
    client.pause();
    endAll();
    await until(() => app.connections.list().items[0]!.bufferedBytes > 0);
    const [before, now] = [performance.now(), () => performance.now()];
    await until(() => now() - before > 1500);
    expect(app.connections.list().items[0]!.state).not.toBe('closing');
    client.resume();
    expect(await result).toMatchObject({ terminated: 0 });
    await client.ended;
    expect([client.texts.map(({ length }) => length), client.closeFrame?.code]).toEqual([[LARGE + 2], 1001]);
  });

  it('is closed after workTimeoutMs, which is counted and logged', async () => {
    const app = await start({ options: { drain: { workTimeoutMs: 300 } } });
    const { client, result } = await working(app);
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    expect([eventsOf(client), (await client.ended).code]).toEqual([[], 1001]);
    expect((await ask({ port: app.port, path: '/metrics' })).text).toMatch(/^ws_drain_work_timeouts_total 1$/m);
    expect(app.logged('warn')).toEqual([
      expect.stringMatching(/1 connections were closed; drain\.workTimeoutMs ended work: handlers \(1\)/),
    ]);
    endAll();
  });
});

describe('an abort of a drain', () => {
  it('lets connections that waited live on, with the messages that arrived meanwhile', async () => {
    const app = await start();
    const { client, result } = await working(app);
    const connection = app.connections.find({})[0]!;
    const { draining } = connection;
    expect(draining.aborted).toBe(true);
    for (const data of [2, 3]) client.sendEvent('echo', data);
    client.ping();
    await until(() => client.pongs.length === 1);
    expect(seen.begun).toEqual([1]);
    drainOf(app).abort();
    expect(await result).toMatchObject({ aborted: true });
    client.sendEvent('echo', 4);
    await until(() => seen.begun.length === 4);
    endAll();
    await until(() => client.json.length === 4);
    expect([seen.begun, connection.draining.aborted, await waits(app)]).toEqual([[1, 2, 3, 4], false, 0]);
    expect(client.closeFrame).toBeNull();
    expect(drainOf(app).start('again')).not.toBe(result);
    await until(() => client.closeFrame !== null);
  });

  it('reads on a client that sent more than may wait, and handles all of it', async () => {
    const app = await start({
      options: { limits: { maxMessageBytes: 1000 }, backpressure: { maxBufferedBytes: 262_144 } },
    });
    const { client } = await working(app);
    const data = 'x'.repeat(900);
    for (let sent = 0; sent < 1000; sent++) client.sendEvent('echo', data);
    // A part waits here, and the rest in the network: it is not read, and no limit closes the connection.
    const { channel } = app.connections.find({})[0] as unknown as { readonly channel: { readonly isHalted: boolean } };
    await until(() => channel.isHalted);
    expect([seen.begun.length, client.closeFrame]).toEqual([1, null]);
    drainOf(app).abort();
    await until(() => seen.begun.length === 1001);
    expect(client.closeFrame).toBeNull();
  });
});

describe('a lease', () => {
  it('keeps its connection, whose messages are handled, until it is done', async () => {
    const app = await start();
    const client = await app.opened();
    client.sendEvent('busy', {});
    await until(() => client.json.length === 1);
    expect(app.connections.list().items[0]).toMatchObject({ busy: 1 });
    expect((await ask({ port: app.port, path: '/metrics' })).text).toMatch(/^ws_busy_connections 1$/m);
    const result = drainOf(app).start('a test');
    client.sendEvent('echo', 'a chunk');
    await until(() => client.json.length === 2);
    expect(client.closeFrame).toBeNull();
    seen.leases[0]!.done();
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    expect(eventsOf(client)).toEqual(['busy', 'echo']);
  });

  it('that opts out of messages ends by itself after atMostMs', async () => {
    const app = await start();
    const client = await app.opened();
    client.sendEvent('busy', { receive: false, atMostMs: 1000 });
    await until(() => client.json.length === 1);
    const result = drainOf(app).start('a test');
    client.sendEvent('echo', 'too late');
    client.ping();
    await until(() => client.pongs.length === 1);
    expect([seen.begun, client.closeFrame]).toEqual([[], null]);
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    expect((await client.ended).code).toBe(1001);
  });

  it('keeps a connection of a server of the application, whose messages reach its own listeners', async () => {
    const server = new WebSocketServer({ noServer: true });
    const app = await start({
      gateways: [] as Type<unknown>[],
      configure: host => {
        host.get(ConnectionTracker).track(server, { path: '/own' });
        const http = host.getHttpServer() as Server;
        http.on('upgrade', (request, socket, head) => {
          if (request.url === '/own')
            server.handleUpgrade(request, socket, head, client => server.emit('connection', client, request));
        });
      },
    });
    const texts: string[] = [];
    server.on('connection', client => client.on('message', (data: Buffer) => texts.push(data.toString())));
    const client = await app.opened({ path: '/own' });
    const lease = app.connections.find({})[0]!.busy('a query');
    const result = drainOf(app).start('a test');
    client.sendText('more');
    await until(() => texts.length === 1);
    expect(client.closeFrame).toBeNull();
    lease.done();
    expect(await result).toMatchObject({ total: 1, terminated: 0 });
    server.close();
  });
});

it('waits for the promise of a disposer before the application closes', async () => {
  const app = await start();
  await app.opened();
  let save!: () => void;
  const [connection] = app.connections.find({});
  connection!.defer(() => new Promise<void>(resolve => (save = resolve)));
  let isClosed = false;
  const closed = app.close().then(() => (isClosed = true));
  await until(() => app.connections.count === 0 && save !== undefined);
  expect([isClosed, drainOf(app).state]).toEqual([false, 'draining']);
  save();
  await closed;
});
