/** The identities of Socket.IO's connections: by `authenticate`, by middleware, and after the recovery of a connection state. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocketGateway, SubscribeMessage, ConnectedSocket, type OnGatewayInit } from '@nestjs/websockets';
import { BanList, type Connection, CurrentConnection, type HeartbeatOptions } from 'nestjs-heartbeat';
import { connectionOf } from 'nestjs-heartbeat/socket.io';
import type { Server, Socket } from 'socket.io';
import type { Socket as Client } from 'socket.io-client';
import { passed, until } from '../support/assert/until.js';
import { IoApp, next } from '../support/servers/io-app.js';

/** The middleware of the application: it identifies by the credentials that a client sends with each namespace. */
@WebSocketGateway({ connectionStateRecovery: {} })
class IdentifyingGateway implements OnGatewayInit {
  static asked = 0;

  afterInit(server: Server): void {
    server.use((socket, proceed) => {
      IdentifyingGateway.asked++;
      const { user, forMs = 60_000 } = socket.handshake.auth as { user?: string; forMs?: number };
      if (user) connectionOf(socket).identify({ userId: user, labels: { role: 'x' }, expiresAt: Date.now() + forMs });
      proceed();
    });
  }

  @SubscribeMessage('who')
  who(@CurrentConnection() connection: Connection, @ConnectedSocket() socket: Socket): unknown {
    return { user: connection.userId, same: connection === connectionOf(socket), data: socket.data as unknown };
  }

  @SubscribeMessage('offset')
  offset(): object {
    return { event: 'offset', data: 1 };
  }
}

afterEach(() => IoApp.closeAll());

async function start(options: HeartbeatOptions = {}): Promise<IoApp> {
  IdentifyingGateway.asked = 0;
  return IoApp.start({ gateways: [IdentifyingGateway], options: { authenticate: () => 'deferred', ...options } });
}

/** A client that has an offset to recover from, and reconnects. */
async function recoverable(app: IoApp, auth: object, extraHeaders: Record<string, string> = {}): Promise<Client> {
  const reconnection = { reconnection: true, reconnectionDelay: 20 };
  const client = await app.connected({ transports: ['websocket'], auth, extraHeaders, ...reconnection });
  client.emit('offset');
  await next(client, 'offset');
  return client;
}

/** The network of a client fails; resolves when it has joined again. */
async function lostAndBack(client: Client): Promise<void> {
  const back = next(client, 'connect');
  client.io.engine.close();
  await back;
}

describe('An identity', () => {
  it('is that of authenticate, over both transports', async () => {
    const app = await start({
      authenticate: ({ headers }) => ({ userId: `user ${String(headers['x-user'])}` }),
    });
    for (const transport of ['polling', 'websocket']) {
      const client = await app.connected({ transports: [transport], extraHeaders: { 'x-user': transport } });
      expect(await client.emitWithAck('who')).toMatchObject({ user: `user ${transport}`, same: true });
    }
    expect(app.connections.findByUser('user polling')).toHaveLength(1);
  });

  it('is set by middleware where it is deferred', async () => {
    const app = await start();
    const client = await app.connected({ auth: { user: 'ann' } });
    expect(await client.emitWithAck('who')).toEqual({ user: 'ann', same: true, data: {} });
  });

  it('must come within identifyTimeoutMs, after which the client stays away', async () => {
    const app = await start({ reaper: { identifyTimeoutMs: 300 } });
    const client = await app.connected();
    expect((await next(client, 'disconnect'))[0]).toBe('io server disconnect');
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()[0]).toMatchObject({ code: 4503, transport: 'socket.io' });
  });
});

describe('A recovered client', () => {
  it('has its identity without another run of the middleware, and keeps its data clean', async () => {
    const app = await start();
    const client = await recoverable(app, { user: 'ann' });
    await lostAndBack(client);
    expect([client.recovered, IdentifyingGateway.asked]).toEqual([true, 1]);
    expect(await client.emitWithAck('who')).toEqual({ user: 'ann', same: true, data: {} });
    expect(app.connections.find({ labels: { role: 'x' } })).toHaveLength(1);
  });

  it.each<[string, object, (app: IoApp) => unknown]>([
    ['whose identity has expired', { user: 'ann', forMs: 300 }, () => passed(400)],
    [
      'whose user is banned',
      { user: 'ann' },
      app => app.app.get(BanList).ban({ kind: 'user', value: 'ann', forMs: 60_000 }),
    ],
  ])('%s is not recovered: it passes the middleware again', async (_what, auth, meanwhile) => {
    const app = await start();
    const client = await recoverable(app, auth);
    client.io.reconnection(false);
    client.io.engine.close();
    await until(() => app.connections.count === 0);
    await meanwhile(app);
    client.auth = {};
    client.connect();
    await next(client, 'connect');
    expect([client.recovered, IdentifyingGateway.asked]).toEqual([false, 2]);
    expect(app.connections.findByUser('ann')).toEqual([]);
  });

  it('at its limit, and with a kept identity that has expired, is recovered by the new one of its handshake', async () => {
    let forMs = 300;
    const app = await start({
      authenticate: ({ headers }) => ({ userId: String(headers['x-user']), expiresAt: Date.now() + forMs }),
      limits: { maxPerUser: 1 },
    });
    const client = await recoverable(app, {}, { 'x-user': 'ann' });
    client.io.reconnection(false);
    client.io.engine.close();
    await until(() => app.connections.count === 0);
    await passed(400);
    forMs = 60_000;
    client.connect();
    await next(client, 'connect');
    expect([client.recovered, app.connections.findByUser('ann').length]).toEqual([true, 1]);
    client.io.engine.close();
    await until(() => app.connections.count === 0);
    client.io.opts.extraHeaders = { 'x-user': 'ben' };
    client.connect();
    await next(client, 'connect');
    expect([client.recovered, client.connected, app.connections.findByUser('ben').length]).toEqual([false, true, 1]);
  });

  it('above its limit is not recovered', async () => {
    const app = await start({ limits: { maxPerUser: 1 } });
    const client = await recoverable(app, { user: 'ann' });
    client.io.reconnection(false);
    client.io.engine.close();
    await until(() => app.connections.count === 0);
    await app.connected({ auth: { user: 'ann' } });
    client.auth = {};
    client.connect();
    await next(client, 'connect');
    expect([client.recovered, app.connections.findByUser('ann').length]).toEqual([false, 1]);
  });
});
