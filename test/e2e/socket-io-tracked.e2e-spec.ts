/** Socket.IO servers that the application made itself, beside gateways and other servers; several servers; and Socket.IO's Redis adapter. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import type { INestApplication, INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, MessageBody, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { createAdapter } from '@socket.io/redis-adapter';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import {
  ConnectionService,
  DrainService,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
} from 'nestjs-heartbeat';
import { connectionOf, HeartbeatIoAdapter, trackSocketIo } from 'nestjs-heartbeat/socket.io';
import { Server, type ServerOptions } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { WebSocket, WebSocketServer as WsServer } from 'ws';
import { collected } from '../support/assert/heap-bytes.js';
import { until } from '../support/assert/until.js';
import { NodeSockets } from '../../libs/heartbeat/src/transports/ws/node-sockets.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { next } from '../support/servers/io-app.js';
import { NO_LOAD } from '../support/servers/no-load.js';

@WebSocketGateway({ path: '/ws' })
class WsGateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): object {
    return { event: 'echo', data };
  }
}

@WebSocketGateway()
class IoGateway {
  @WebSocketServer() server!: Server;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});
afterAll(() => RedisServer.stopAll());

async function created(gateways: unknown[], options: HeartbeatOptions = {}): Promise<INestApplication> {
  const heartbeat = { intervalMs: 500, minIntervalMs: 500, maxIntervalMs: 500, pongTimeoutMs: 200 };
  const module = await Test.createTestingModule({
    imports: [
      HeartbeatModule.forRoot({
        load: NO_LOAD,
        heartbeat,
        drain: { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 3000 },
        ...options,
      }),
    ],
    providers: gateways as never[],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  closers.push(() => app.close());
  return app;
}

const portOf = (app: INestApplication) => (app.getHttpServer() as { address(): AddressInfo }).address().port;

async function joined(url: string, options: Parameters<typeof io>[1] = {}): Promise<Socket> {
  const client = io(url, { forceNew: true, reconnection: false, ...options });
  closers.push(() => client.disconnect());
  await next(client, 'connect');
  return client;
}

/** An application with a `ws` gateway, a Socket.IO server and a `ws` server of its own, on one port. */
async function crowded(isTracked: boolean, options: HeartbeatOptions = {}) {
  const app = await created([WsGateway], options);
  app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
  const server = new Server(app.getHttpServer(), { destroyUpgrade: false });
  closers.push(() => server.close());
  const end = isTracked ? trackSocketIo(app, server) : () => undefined;
  server.on('connection', socket => {
    socket.on('whoami', (answer: (id: string | null) => void) => answer(isTracked ? connectionOf(socket).id : null));
  });
  const own = new WsServer({ noServer: true });
  app.getHttpServer().on('upgrade', (request: { url: string }, socket: never, head: never) => {
    if (request.url === '/own') own.handleUpgrade(request as never, socket, head, client => client.send('own'));
  });
  closers.push(() => own.clients.forEach(client => client.terminate()));
  await app.listen(0, '127.0.0.1');
  return { app, server, end, port: portOf(app) };
}

async function gatewayClient(port: number): Promise<WebSocket> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  closers.push(() => client.terminate());
  await once(client, 'open');
  return client;
}

describe('A Socket.IO server of the application beside a gateway and a ws server', () => {
  it('is listed, pinged, kicked and drained when it is tracked', async () => {
    const { app, port } = await crowded(true);
    const connections = app.get(ConnectionService);
    const client = await joined(`http://127.0.0.1:${port}`);
    const socket = await gatewayClient(port);
    const own = new WebSocket(`ws://127.0.0.1:${port}/own`);
    closers.push(() => own.terminate());
    expect(String((await once(own, 'message'))[0])).toBe('own');
    const listed = connections.list().items.map(({ transport, path }) => `${transport} ${path}`);
    expect(listed.toSorted()).toEqual(['socket.io /socket.io/', 'ws /ws']);
    const id = (await client.emitWithAck('whoami')) as string;
    await until(() => connections.get(id)?.rttMs !== null);
    const kicked = next(client, 'disconnect');
    connections.kick(id);
    expect((await kicked)[0]).toBe('io server disconnect');
    const second = await joined(`http://127.0.0.1:${port}`);
    const ends = Promise.all([next(second, 'disconnect'), once(socket, 'close')]);
    await app.get(DrainService).start('a test');
    const [[reason], [code]] = await ends;
    expect([reason, code, own.readyState]).toEqual(['transport close', 1001, WebSocket.OPEN]);
  });

  it('works without tracking as if the library were not there', async () => {
    const { app, port } = await crowded(false);
    const client = await joined(`http://127.0.0.1:${port}`);
    await until(() => client.io.engine.transport.name === 'websocket');
    await gatewayClient(port);
    expect(await client.emitWithAck('whoami')).toBeNull();
    expect(
      app
        .get(ConnectionService)
        .list()
        .items.map(({ transport }) => transport),
    ).toEqual(['ws']);
  });

  it('tracks no further session after the end of the tracking, and can be tracked again', async () => {
    const { app, server, end, port } = await crowded(true);
    const tracked = await joined(`http://127.0.0.1:${port}`);
    end();
    await joined(`http://127.0.0.1:${port}`);
    expect([app.get(ConnectionService).count, server.engine.opts.pingInterval]).toEqual([1, 25_000]);
    expect(await tracked.emitWithAck('whoami')).toEqual(expect.any(String));
    closers.push(trackSocketIo(app, server));
    await joined(`http://127.0.0.1:${port}`);
    expect(app.get(ConnectionService).count).toBe(2);
  });

  it('is refused where the value is no server, is tracked already, or the module is missing', async () => {
    const { app, server } = await crowded(true);
    expect(() => trackSocketIo(app, server)).toThrow(/is already tracked/);
    expect(() => trackSocketIo(app, {} as Server)).toThrow(/must be a Server of socket.io/);
    const bare = (await Test.createTestingModule({}).compile()) as unknown as INestApplicationContext;
    expect(() => trackSocketIo(bare, server)).toThrow(/HeartbeatModule/);
    for (const value of [null, undefined, {}, { conn: {} }]) {
      expect(() => connectionOf(value as never)).toThrow(/is not tracked/);
    }
  });

  it('may be attached to its HTTP server after it is tracked', async () => {
    const app = await created([]);
    const server = new Server();
    closers.push(() => server.close());
    trackSocketIo(app, server);
    await app.listen(0, '127.0.0.1');
    server.attach(app.getHttpServer() as never);
    await joined(`http://127.0.0.1:${portOf(app)}`);
    expect(app.get(ConnectionService).count).toBe(1);
  });
});

describe('After the end of the tracking', () => {
  const EVENT = 'x'.repeat(10_000);

  it('sessions that stay tracked work on, in new namespaces too, and nothing is added by tracking again', async () => {
    const app = await created([]);
    const server = new Server(app.getHttpServer());
    const end = trackSocketIo(app, server);
    server.of(/^\/late-\d+$/);
    await app.listen(0, '127.0.0.1');
    const client = await joined(`http://127.0.0.1:${portOf(app)}`, { transports: ['websocket'] });
    const connections = app.get(ConnectionService);
    const { engine } = server as unknown as { engine: { middlewares: unknown[] } };
    const before = { sets: connections.socketSets.length, middlewares: engine.middlewares.length };
    end();
    for (let times = 0; times < 5; times++) trackSocketIo(app, server)();
    expect({ sets: connections.socketSets.length, middlewares: engine.middlewares.length }).toEqual(before);
    expect(Object.hasOwn(server, 'bind')).toBe(false);
    let received = 0;
    client.on('news', () => received++);
    // More than the limit of what may wait, in parts that are read.
    for (let sent = 1; sent <= 120; sent++) {
      server.emit('news', EVENT);
      await until(() => received === sent);
    }
    const late = client.io.socket('/late-1');
    await next(late, 'connect');
    expect([client.connected, connections.list().items[0]!.bufferedBytes]).toEqual([true, 0]);
    client.disconnect();
    late.disconnect();
    await until(() => connections.count === 0);
    expect(connections.socketSets).toHaveLength(before.sets - 1);
  });

  it.each(['websocket', 'polling'])('the server is a guest, whose %s clients do not hold the end', async transport => {
    const { app, end, port } = await crowded(true, { drain: { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 500 } });
    end();
    const guest = await joined(`http://127.0.0.1:${port}`, { transports: [transport] });
    const lost = next(guest, 'disconnect');
    await app.close();
    expect((await lost)[0]).toMatch(/^transport (close|error)$/);
  });
});

describe('The port of a tracked Socket.IO server', () => {
  it('refuses unknown paths at once, and limits request heads', async () => {
    const app = await created([], { limits: { handshakeTimeoutMs: 300 } });
    const server = new Server(app.getHttpServer());
    trackSocketIo(app, server);
    await app.listen(0, '127.0.0.1');
    const unknown = new WebSocket(`ws://127.0.0.1:${portOf(app)}/nope`);
    const [{ message }] = (await once(unknown, 'error')) as [Error];
    expect(message).toMatch(/404/);
    const slow = connect(portOf(app), '127.0.0.1').on('error', () => undefined);
    slow.write('GET /');
    await once(slow, 'close');
  });

  it('counts the WebSocket of an upgraded session as a connection only', async () => {
    const app = await created([]);
    trackSocketIo(app, new Server(app.getHttpServer()));
    await app.listen(0, '127.0.0.1');
    const polling = new Agent({ keepAlive: true });
    closers.push(() => polling.destroy());
    const client = await joined(`http://127.0.0.1:${portOf(app)}`, { agent: polling as never });
    await until(() => app.get(ConnectionService).list().items[0]?.polling !== true);
    polling.destroy();
    await until(() => app.get(NodeSockets).silent.count === 0);
    const connections = app.get(ConnectionService);
    expect([client.connected, connections.count]).toEqual([true, 1]);
    const { flight = [] } = connections.detail(connections.list().items[0]!.id) ?? {};
    expect(flight.filter(({ kind }) => kind === 'upgraded')).toHaveLength(1);
  });

  it('keeps no namespace that Socket.IO has removed', async () => {
    const app = await created([]);
    const server = new Server(app.getHttpServer(), { cleanupEmptyChildNamespaces: true });
    trackSocketIo(app, server);
    server.of(/^\/dynamic-\d+$/);
    await app.listen(0, '127.0.0.1');
    const client = await joined(`http://127.0.0.1:${portOf(app)}`);
    const removed: WeakRef<object>[] = [];
    server.on('new_namespace', namespace => removed.push(new WeakRef(namespace)));
    for (let number = 0; number < 20; number++) {
      const dynamic = client.io.socket(`/dynamic-${number}`);
      await next(dynamic, 'connect');
      dynamic.disconnect();
    }
    // The last one may still be referenced by the packet that was handled last.
    await until(() => collected() > 0 && removed.filter(reference => reference.deref()).length <= 2);
    expect(removed).toHaveLength(20);
  });
});

describe('The Redis adapter of Socket.IO', () => {
  it('carries events between two servers, installed by a subclass as in the docs of Nest', async () => {
    const redis = await RedisServer.start();
    class RedisIoAdapter extends HeartbeatIoAdapter {
      #adapter!: ReturnType<typeof createAdapter>;

      async connectToRedis(): Promise<void> {
        const clients = [createClient({ url: redis.url }), createClient({ url: redis.url })] as const;
        for (const client of clients) {
          client.on('error', () => undefined);
          await client.connect();
          closers.unshift(() => client.close());
        }
        this.#adapter = createAdapter(clients[0], clients[1]);
      }

      override createIOServer(port: number, options?: ServerOptions): Server {
        const server = super.createIOServer(port, options);
        server.adapter(this.#adapter);
        return server;
      }
    }
    const apps: INestApplication[] = [];
    for (let made = 0; made < 2; made++) {
      const app = await created([IoGateway]);
      const adapter = new RedisIoAdapter(app);
      await adapter.connectToRedis();
      app.useWebSocketAdapter(adapter);
      await app.listen(0, '127.0.0.1');
      apps.push(app);
    }
    const clients = await Promise.all(apps.map(app => joined(`http://127.0.0.1:${portOf(app)}`)));
    const received = Promise.all(clients.map(client => next(client, 'news')));
    apps[0]!.get(IoGateway).server.emit('news', 'for all');
    expect(await received).toEqual([['for all'], ['for all']]);
    expect(apps.map(app => app.get(ConnectionService).count)).toEqual([1, 1]);
    expect(apps.map(app => app.get(ConnectionService).list().items[0]!.messagesOut)).toEqual([1, 1]);
  });
});
