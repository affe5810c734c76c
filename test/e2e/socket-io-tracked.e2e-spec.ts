/** Socket.IO servers that the application made itself, beside gateways and other servers; several servers; and Socket.IO's Redis adapter. */
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { createClient } from '@redis/client';
import type { INestApplication, INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, MessageBody, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { createAdapter } from '@socket.io/redis-adapter';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { ConnectionService, DrainService, HeartbeatModule, HeartbeatWsAdapter } from 'nestjs-heartbeat';
import { connectionOf, HeartbeatIoAdapter, trackSocketIo } from 'nestjs-heartbeat/socket.io';
import { Server, type ServerOptions } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { WebSocket, WebSocketServer as WsServer } from 'ws';
import { until } from '../support/assert/until.js';
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

async function created(gateways: unknown[]): Promise<INestApplication> {
  const heartbeat = { intervalMs: 500, minIntervalMs: 500, maxIntervalMs: 500, pongTimeoutMs: 200 };
  const module = await Test.createTestingModule({
    imports: [
      HeartbeatModule.forRoot({
        load: NO_LOAD,
        heartbeat,
        drain: { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 3000 },
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
async function crowded(isTracked: boolean) {
  const app = await created([WsGateway]);
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
