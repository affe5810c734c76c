/** Four kinds of long-lived connections on one port: a gateway, Socket.IO, GraphQL subscriptions, and a server of the application. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  ConnectionService,
  ConnectionTracker,
  DrainService,
  HeartbeatModule,
  HeartbeatWsAdapter,
} from 'nestjs-heartbeat';
import { HeartbeatGraphQLModule } from 'nestjs-heartbeat/graphql';
import { trackSocketIo } from 'nestjs-heartbeat/socket.io';
import { Server as SocketIo } from 'socket.io';
import { io } from 'socket.io-client';
import { WebSocket, WebSocketServer } from 'ws';
import { until } from '../support/assert/until.js';
import { NO_LOAD } from '../support/servers/no-load.js';

@WebSocketGateway({ path: '/ws' })
class AppGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}
@Resolver()
class AppResolver {
  @Query(() => String)
  hello(): string {
    return 'world';
  }
}
const heartbeat = { intervalMs: 200, minIntervalMs: 200, maxIntervalMs: 200, pongTimeoutMs: 100 };
@Module({
  imports: [
    HeartbeatModule.forRoot({
      heartbeat,
      load: NO_LOAD,
      limits: { maxConnections: 8 },
      drain: { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 3000 },
    }),
    GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      autoSchemaFile: true,
      subscriptions: { 'graphql-ws': true },
    }),
    HeartbeatGraphQLModule,
  ],
  providers: [AppGateway, AppResolver],
})
class Root {}

const ALL = ['graphql-ws', 'other', 'socket.io', 'ws'] as const;
type Name = (typeof ALL)[number];

/** What a client of each kind says, and what it is answered; Socket.IO in the packets of its protocol over a WebSocket. */
const TALK: Readonly<Record<Name, readonly [path: string, protocol: string[], said: string[], answered: RegExp]>> = {
  ws: ['/ws', [], ['{"event":"echo","data":1}'], /^\{"event":"echo","data":1\}$/],
  other: ['/own', [], ['hi'], /^own: hi$/],
  'graphql-ws': ['/graphql', ['graphql-transport-ws'], ['{"type":"connection_init"}'], /"connection_ack"/],
  'socket.io': ['/socket.io/?EIO=4&transport=websocket', [], ['40'], /^42\["said","hi"\]$/],
};

let app: INestApplication;
let untrack: () => void;
let connections: ConnectionService;
let base = '';
const sockets: WebSocket[] = [];

beforeAll(async () => {
  app = await NestFactory.create(Root, { logger: false, abortOnError: false });
  app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
  const http = app.getHttpServer() as Server;
  const socketIo = new SocketIo(http, { destroyUpgrade: false });
  socketIo.on('connection', socket => socket.on('say', text => socket.emit('said', text)));
  trackSocketIo(app, socketIo);
  const own = new WebSocketServer({ server: http, path: '/own' });
  own.on('connection', client => client.on('message', (data: Buffer) => client.send(`own: ${data.toString()}`)));
  untrack = app.get(ConnectionTracker).track(own);
  connections = app.get(ConnectionService);
  await app.listen(0, '127.0.0.1');
  base = `127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  await app.close();
});

/** Opens a client, has it talk, and resolves with it and with its answer. */
async function talk(name: Name, options: object = {}): Promise<{ socket: WebSocket; answered: string }> {
  const [path, protocols, said, answer] = TALK[name];
  const socket = new WebSocket(`ws://${base}${path}`, protocols, options);
  sockets.push(socket);
  let answered = '';
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => {
    // The ping of Socket.IO, which a client answers unless it is to be silent.
    if (data.toString() === '2' && !('autoPong' in options)) socket.send('3');
    if (data.toString().startsWith('40')) socket.send('42["say","hi"]');
    if (answer.test(data.toString())) answered = data.toString();
  });
  await once(socket, 'open');
  for (const text of said) socket.send(text);
  await until(() => answered !== '');
  return { socket, answered };
}

const transports = () =>
  connections
    .list()
    .items.map(({ transport }) => transport)
    .toSorted();

describe('One port', () => {
  it('serves all four kinds, lists them by transport, counts them together and kicks each', async () => {
    const clients = [];
    for (const name of ALL) clients.push(await talk(name));
    expect(transports()).toEqual(ALL);
    for (const name of ALL) expect(connections.find({ transport: name })).toHaveLength(1);
    for (const name of ALL) await talk(name);
    await expect(talk('ws')).rejects.toThrow('503');
    const library = io(`http://${base}`, { transports: ['websocket'], reconnection: false });
    await once(library as unknown as NodeJS.EventEmitter, 'connect_error');
    library.close();
    const closed = sockets
      .filter(({ readyState }) => readyState === WebSocket.OPEN)
      .map(socket => once(socket, 'close'));
    for (const { id } of connections.list().items) connections.kick(id);
    await Promise.all(closed);
    await until(() => connections.count === 0);
  });

  it('finds the silent peer of each kind, and keeps the others', async () => {
    for (const name of ALL) await talk(name);
    for (const name of ALL) await talk(name, { autoPong: false });
    expect(connections.count).toBe(8);
    await until(() => connections.count === 4);
    expect(transports()).toEqual(ALL);
    const ended = connections.closedHistory({ limit: 4 });
    expect(ended.map(({ code, transport }) => `${code} ${transport}`).toSorted()).toEqual(
      ALL.map(name => `4000 ${name}`),
    );
  });

  it('still serves a server whose tracking has ended, and drains all that are tracked', async () => {
    untrack();
    const { socket, answered } = await talk('other');
    expect([answered, connections.count]).toEqual(['own: hi', 4]);
    const result = await app.get(DrainService).start('test');
    expect([result.total, result.terminated, connections.count]).toEqual([4, 0, 0]);
    socket.send('hi');
    expect(String((await once(socket, 'message'))[0])).toBe('own: hi');
  });
});
