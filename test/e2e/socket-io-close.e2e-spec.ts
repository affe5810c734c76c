/** The end of Socket.IO's connections by the server, and what clients do then; and messages above a limit. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { BanList, DrainService, type HeartbeatOptions } from 'nestjs-heartbeat';
import { connectionOf } from 'nestjs-heartbeat/socket.io';
import type { Server, Socket } from 'socket.io';
import type { Socket as Client } from 'socket.io-client';
import { WebSocket } from 'ws';
import { passed, until } from '../support/assert/until.js';
import { PollingClient } from '../support/clients/polling-client.js';
import { IoApp, next } from '../support/servers/io-app.js';

@WebSocketGateway()
class TalkingGateway {
  @WebSocketServer() server!: Server;
  handled: unknown[] = [];

  @SubscribeMessage('talk')
  talk(@MessageBody() data: unknown): void {
    this.handled.push(data);
  }

  @SubscribeMessage('close-me')
  close(@ConnectedSocket() socket: Socket): void {
    for (let number = 0; number < 20; number++) socket.emit('news', number, Buffer.alloc(1000));
    connectionOf(socket).close(4100, 'as you wish');
  }
}

@WebSocketGateway({ namespace: 'chat' })
class ChatGateway {}

afterEach(() => IoApp.closeAll());

async function start(options: HeartbeatOptions = {}): Promise<IoApp> {
  return IoApp.start({ gateways: [TalkingGateway, ChatGateway], options });
}

const end = async (client: Client) => {
  const [reason, details] = (await next(client, 'disconnect')) as [
    string,
    { context?: { code?: number; reason?: string } }?,
  ];
  return { reason, code: details?.context?.code, text: details?.context?.reason };
};

describe.each(['websocket', 'polling'])('Over %s', transport => {
  const connected = (app: IoApp, options: object = {}) =>
    app.connected({ transports: [transport], reconnection: true, reconnectionDelay: 20, ...options });

  it.each<[string, (app: IoApp, id: string) => unknown, number]>([
    ['a kick', (app, id) => app.connections.kick(id), 4500],
    ['a ban', app => app.app.get(BanList).ban({ kind: 'ip', value: '127.0.0.1', forMs: 60_000 }), 4501],
  ])('%s reaches every namespace, and the client stays away', async (_what, close, code) => {
    const app = await start();
    const client = await connected(app);
    const chat = client.io.socket('/chat');
    await next(chat, 'connect');
    const ends = Promise.all([end(client), end(chat)]);
    close(app, app.connections.find({})[0]!.id);
    expect((await ends).map(({ reason }) => reason)).toEqual(['io server disconnect', 'io server disconnect']);
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()).toMatchObject([{ code, closedBy: 'operator' }]);
    await passed(100);
    expect([client.connected, app.connections.count]).toEqual([false, 0]);
  });

  it.each<[string, (server: Server) => unknown, boolean]>([
    ['the middleware is pending', server => server.use(() => undefined), false],
    ['the middleware of one namespace is pending', server => server.of('/chat').use(() => undefined), true],
  ])('a kick while %s keeps the client away', async (_what, configure, joins) => {
    const app = await start();
    configure(app.app.get(TalkingGateway).server);
    const client = app.client({ transports: [transport], reconnection: true, reconnectionDelay: 20 });
    const errors: Error[] = [];
    const chat = joins ? client.io.socket('/chat') : client;
    chat.on('connect_error', error => errors.push(error));
    if (joins) await next(client, 'connect');
    await until(() => app.connections.count === 1);
    const { server } = app.app.get(TalkingGateway);
    const { _preConnectSockets: waiting } = server.of(joins ? '/chat' : '/') as unknown as {
      _preConnectSockets: Map<string, unknown>;
    };
    await until(() => waiting.size === 1);
    let opened = 0;
    client.io.on('open', () => opened++);
    app.connections.kick(app.connections.find({})[0]!.id);
    await until(() => app.connections.count === 0 && errors.length === 1);
    expect(errors).toMatchObject([{ message: 'kicked', data: { code: 4500 } }]);
    await passed(100);
    expect([opened, client.active, chat.active, app.connections.count]).toEqual([0, false, false, 0]);
  });

  it('a kick that asks for a reconnect has it', async () => {
    const app = await start();
    const client = await connected(app);
    const [first] = app.connections.find({});
    const back = next(client, 'connect');
    app.connections.kick(first!.id, { reconnect: true });
    await back;
    await until(() => app.connections.count === 1 && app.connections.find({})[0] !== first);
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4005, closedBy: 'operator' }]);
  });

  it('a message above the rate closes with 4004, and no further one is handled', async () => {
    const app = await start({ limits: { messagesPerSecond: 5 } });
    const client = await connected(app, { reconnection: false });
    for (let number = 0; number < 50; number++) client.emit('talk', number);
    expect((await end(client)).reason).toBe('transport close');
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4004, closedBy: 'server' }]);
    expect(app.app.get(TalkingGateway).handled.length).toBeLessThanOrEqual(5);
  });

  it('what was sent before a close arrives before it', async () => {
    const app = await start();
    const client = await connected(app, { reconnection: false });
    const ended = end(client);
    const news: unknown[] = [];
    client.on('news', number => news.push(number));
    client.emit('close-me');
    expect(await ended).toMatchObject(transport === 'websocket' ? { code: 4100, text: 'as you wish' } : {});
    expect(news).toEqual(Array.from({ length: 20 }, (_, number) => number));
    await until(() => app.connections.count === 0);
  });

  it('a drain closes all, with code and delay where the transport has them', async () => {
    const app = await start();
    const clients = await Promise.all([1, 2, 3].map(() => connected(app, { reconnection: false })));
    const ends = Promise.all(clients.map(end));
    const drained = app.app.get(DrainService).start('a test');
    const [first] = await ends;
    await drained;
    expect(first!.reason).toBe('transport close');
    expect([first!.code, /retry-after=\d+/.test(first!.text ?? '')]).toEqual(
      transport === 'websocket' ? [1001, true] : [undefined, false],
    );
    const records = app.connections.closedHistory();
    expect(records.map(({ code }) => code)).toEqual([1001, 1001, 1001]);
    const unseen = '; the client was polling, which shows it neither code nor reason';
    for (const { verdict } of records) {
      expect(verdict).toMatch(
        /^The node drained \(a test\), so the server closed it with 1001 at \S+Z; the client may/,
      );
      expect(verdict?.includes(unseen)).toBe(transport === 'polling');
    }
  });

  it('what gateways and the server send is counted', async () => {
    const app = await start();
    const client = await connected(app);
    const [connection] = app.connections.list().items;
    expect(connection).toMatchObject({ messagesIn: 0, messagesOut: 0, transport: 'socket.io' });
    const received: unknown[] = [];
    client.on('news', (...values: unknown[]) => received.push(values));
    const { server } = app.app.get(TalkingGateway);
    server.emit('news', 1);
    server.emit('news', { bytes: Buffer.alloc(10) });
    server.to('nobody').emit('news', 3);
    client.emit('talk', 1);
    await until(() => received.length === 2 && app.app.get(TalkingGateway).handled.length === 1);
    expect(app.connections.list().items[0]).toMatchObject({ messagesIn: 1, messagesOut: 2 });
  });

  it('a message of the connection is sent, and resolves, or rejects without a namespace', async () => {
    const app = await start();
    const client = await connected(app);
    const got: unknown[] = [];
    client.on('message', data => got.push(data));
    const [connection] = app.connections.find({});
    await Promise.all([connection!.send('text'), connection!.send({ a: 1 })]);
    app.connections.broadcast('all');
    await until(() => got.length === 3);
    expect(got).toEqual(['text', '{"a":1}', 'all']);
    const outside = new PollingClient(app.port);
    app.onClose(() => outside.destroy());
    await outside.open();
    await until(() => app.connections.count === 2);
    await expect(app.connections.find({})[1]!.send('x')).rejects.toMatchObject({ code: 'HEARTBEAT_MESSAGE_DROPPED' });
  });
});

describe('A client that does not read', () => {
  const MESSAGE = 'x'.repeat(10_000);

  it('is closed at the limit, also with drop-newest', async () => {
    const app = await start({ backpressure: { maxBufferedBytes: 200_000, policy: 'drop-newest' } });
    const client = new WebSocket(`ws://127.0.0.1:${app.port}/socket.io/?EIO=4&transport=websocket`);
    app.onClose(() => client.terminate());
    await new Promise(resolve => client.once('open', resolve));
    client.send('40');
    await until(() => app.connections.count === 1 && app.app.get(TalkingGateway).server.sockets.sockets.size === 1);
    client.pause();
    const { server } = app.app.get(TalkingGateway);
    await until(
      () => {
        for (let times = 0; times < 20; times++) server.emit('news', MESSAGE);
        return app.connections.count === 0;
      },
      { timeoutMs: 10_000 },
    );
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4003, closedBy: 'server' }]);
  });

  it('is not slow while it is between two polls, and is closed at the limit', async () => {
    const app = await start({
      backpressure: { maxBufferedBytes: 200_000, slowAfterMs: 1000 },
      heartbeat: { intervalMs: 10_000, minIntervalMs: 10_000, maxIntervalMs: 10_000, pongTimeoutMs: 5000 },
    });
    const client = new PollingClient(app.port);
    app.onClose(() => client.destroy());
    await client.open();
    await client.post('40');
    await client.poll();
    const { server } = app.app.get(TalkingGateway);
    server.emit('news', MESSAGE);
    expect(app.connections.list().items[0]).toMatchObject({ polling: true });
    await passed(2500);
    expect(app.connections.list().items[0]!.bufferedBytes).toBeGreaterThan(10_000);
    expect(await client.poll()).toContain(MESSAGE);
    for (let times = 0; times < 30; times++) server.emit('news', MESSAGE);
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4003 }]);
  });
});
