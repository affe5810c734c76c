/** The programs of the applications that have the packed library, and the settings of their compilers. */

/** The application that an issue of the library's users would be about: a gateway, a controller and the two lines. */
const APP = `
import 'reflect-metadata';
import { Controller, Get, type INestApplication, Injectable, Module, type OnApplicationShutdown, type WebSocketAdapter } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { type Connection, ConnectionService, CurrentConnection, HeartbeatModule, HeartbeatWsAdapter } from 'nestjs-heartbeat';

@Injectable()
class Pool implements OnApplicationShutdown {
  isOpen = true;

  onApplicationShutdown(): void {
    this.isOpen = false;
    console.log('the pool is closed');
  }
}

@WebSocketGateway({ path: '/live' })
class LiveGateway {
  constructor(private readonly pool: Pool) {}

  handleConnection(client: { connection?: Connection }): void {
    client.connection?.defer(() => console.log(\`a connection ended, the pool is \${this.pool.isOpen ? 'open' : 'closed'}\`));
  }

  @SubscribeMessage('shout')
  shout(@MessageBody() text: string, @CurrentConnection() connection: Connection) {
    if (text === '') throw new WsException('Nothing to shout.');
    return { event: 'shout', data: text.toUpperCase() + connection.path };
  }
}

@Controller()
class CountController {
  constructor(private readonly connections: ConnectionService) {}

  @Get('paths')
  paths(): string[] {
    return this.connections.list().items.map(({ path }) => path);
  }
}

const heartbeat = HeartbeatModule.forRoot({ admin: { tokens: [{ token: 'secret', role: 'operator', name: 'me' }] } });

@Module({ imports: [heartbeat], controllers: [CountController], providers: [LiveGateway, Pool] })
class AppModule {}

const onWs = (app: INestApplication): WebSocketAdapter => new HeartbeatWsAdapter(app); // instead of Nest's WsAdapter

export async function start(adapter?: AbstractHttpAdapter, sockets = onWs): Promise<void> {
  const app = await (adapter ? NestFactory.create(AppModule, adapter) : NestFactory.create(AppModule));
  app.useWebSocketAdapter(sockets(app));
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  console.log(await app.getUrl());
}
`;

const EXPRESS = `
import { start } from './dist/app.js';
await start();
`;

const SOCKET_IO = `
import { HeartbeatIoAdapter } from 'nestjs-heartbeat/socket.io';
import { start } from './dist/app.js';
await start(undefined, app => new HeartbeatIoAdapter(app));
`;

const FASTIFY = `
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { start } from './dist/app.js';
await start(new FastifyAdapter());
`;

/** Not run: what the compiler must take, and what it must not. */
const TYPES = `
import {
  type Connection,
  ConnectionService,
  CurrentConnection,
  type HeartbeatEvent,
  HeartbeatEvents,
  HeartbeatModule,
  type HeartbeatOptions,
  type TrackedSocket,
} from 'nestjs-heartbeat';
import { connectionView, resolveOptions, runChecks, thisSystem } from 'nestjs-heartbeat/tooling';

export const options: HeartbeatOptions = { heartbeat: { intervalMs: 20_000 }, limits: { maxConnections: 5 } };
HeartbeatModule.forRoot({ ...options, isGlobal: true });
HeartbeatModule.forRootAsync({ inject: [String], useFactory: async (text: string) => ({ closedHistory: text.length }) });
// @ts-expect-error no such group
HeartbeatModule.forRoot({ heartbeats: {} });
// @ts-expect-error no such option
HeartbeatModule.forRoot({ heartbeat: { interval: 1 } });
// @ts-expect-error durations are numbers
HeartbeatModule.forRoot({ heartbeat: { intervalMs: '25s' } });

export const worst = runChecks({ options: resolveOptions(options), system: thisSystem, proxyHeaderSeen: false })[0]?.severity;
export const members: string[] = Object.keys(connectionView.shape);

export class Uses {
  constructor(
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  async use(@CurrentConnection() connection: Connection, socket: TrackedSocket): Promise<number> {
    connection.defer(() => socket.terminate());
    await connection.send({ rtt: connection.rttMs?.toFixed(1), aborted: connection.signal.aborted });
    this.events.stream.subscribe((event: HeartbeatEvent) => {
      if (event.type === 'closed') console.log(event.code, event.by, event.connection.path);
      // @ts-expect-error only a closed one has a code
      if (event.type === 'opened') console.log(event.code);
    });
    const count: number = this.connections.count;
    const buffered: number = socket.bufferedAmount;
    // @ts-expect-error a socket is a WebSocket, not anything
    socket.nothingOfTheKind();
    return count + buffered;
  }

  handleConnection(client: TrackedSocket): void {
    const { connection } = client;
    const userId: string | null = client.connection.userId;
    client.connection.defer(() => console.log(connection.id, userId));
    // @ts-expect-error the connection is set by the library only
    client.connection = connection;
  }
}
`;

/** Run as CommonJS and compiled with the resolution of old compilers, which reads \`main\` and \`types\`. */
const OLD = `
import { HeartbeatModule, type HeartbeatOptions } from 'nestjs-heartbeat';
import { resolveOptions } from 'nestjs-heartbeat/tooling';

const options: HeartbeatOptions = { heartbeat: { intervalMs: 20_000 } };
console.log(HeartbeatModule.forRoot(options).module.name, resolveOptions(options).heartbeat.intervalMs);
`;

const OLD_TSCONFIG = {
  compilerOptions: {
    module: 'commonjs',
    moduleResolution: 'node10',
    ignoreDeprecations: '6.0',
    target: 'ES2023',
    types: ['node'],
    strict: true,
    esModuleInterop: true,
    // Packages that are not ours do not resolve in their own declarations.
    skipLibCheck: true,
    rootDir: 'old',
    outDir: 'old-dist',
  },
  include: ['old'],
};

const TSCONFIG = {
  compilerOptions: {
    module: 'nodenext',
    target: 'ES2023',
    types: ['node'],
    strict: true,
    // The packed types are checked too.
    skipLibCheck: false,
    emitDecoratorMetadata: true,
    experimentalDecorators: true,
    rootDir: 'src',
    outDir: 'dist',
  },
  include: ['src'],
};

export const PROGRAMS = {
  'src/app.ts': APP,
  'src/types.ts': TYPES,
  'old/main.cts': OLD,
  'express.js': EXPRESS,
  'fastify.js': FASTIFY,
  'socket-io.js': SOCKET_IO,
} as const;

export const TSCONFIGS = { 'tsconfig.json': TSCONFIG, 'tsconfig.old.json': OLD_TSCONFIG } as const;
