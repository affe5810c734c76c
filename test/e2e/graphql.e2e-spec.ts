/** GraphQL subscriptions as tracked connections: the drivers of Apollo and Mercurius, with the client of graphql-ws. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type INestApplication, Logger, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GraphQLModule, Int, Query, Resolver, Subscription } from '@nestjs/graphql';
import type { MercuriusDriverConfig } from '@nestjs/mercurius';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type Client, createClient } from 'graphql-ws';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BanList,
  ConnectionService,
  DrainService,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatWsAdapter,
} from 'nestjs-heartbeat';
import { HeartbeatGraphQLModule } from 'nestjs-heartbeat/graphql';
import { WebSocket } from 'ws';
import { watchLeaks } from '../support/assert/leaks.js';
import { until } from '../support/assert/until.js';
import { NO_LOAD } from '../support/servers/no-load.js';

// On Node 20 jest cannot require ES modules, which this one does. It would serve the page of GraphiQL, which is off.
jest.mock('@fastify/static', () => () => undefined);
const { MercuriusDriver } = await import('@nestjs/mercurius');

@Resolver()
class AppResolver {
  @Query(() => String)
  hello(): string {
    return 'world';
  }

  @Subscription(() => Int)
  async *ticks(): AsyncGenerator<{ ticks: number }> {
    for (let ticks = 0; ; ticks++) {
      yield { ticks };
      await sleep(20);
    }
  }
}
@Resolver()
class SecondResolver {
  @Query(() => Int)
  two(): number {
    return 2;
  }
}
@Module({ providers: [AppResolver] })
class FirstModule {}
@Module({ providers: [SecondResolver] })
class SecondModule {}
@WebSocketGateway({ path: '/ws' })
class AppGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

const INIT_MS = 300;
const apollo = (rest: Partial<ApolloDriverConfig> = {}): ApolloDriverConfig => ({
  driver: ApolloDriver,
  autoSchemaFile: true,
  subscriptions: { 'graphql-ws': { connectionInitWaitTimeout: INIT_MS } },
  ...rest,
});
const mercurius: MercuriusDriverConfig = {
  driver: MercuriusDriver,
  autoSchemaFile: true,
  subscription: { fullWsTransport: true },
};
type Import = Parameters<typeof Module>[0]['imports'] extends (infer One)[] | undefined ? One : never;
const DRIVERS = {
  'Apollo on Express': { modules: () => [GraphQLModule.forRoot<ApolloDriverConfig>(apollo())], isFastify: false },
  'Mercurius on Fastify': { modules: () => [GraphQLModule.forRoot<MercuriusDriverConfig>(mercurius)], isFastify: true },
} as const;
type Driver = keyof typeof DRIVERS;

const SOON = { intervalMs: 200, minIntervalMs: 200, maxIntervalMs: 200, pongTimeoutMs: 100 };
const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

class World {
  readonly clients: Client[] = [];
  readonly sockets: WebSocket[] = [];
  /** What happened to the clients, in their order. */
  readonly log: string[] = [];
  ticks = 0;

  private constructor(readonly app: INestApplication) {}

  static async start(modules: readonly Import[], isFastify: boolean, options: HeartbeatOptions = {}): Promise<World> {
    const drain = { spreadMs: 0, closeTimeoutMs: 500, deadlineMs: 3000, returnWindowMs: 100 };
    const heartbeat = HeartbeatModule.forRoot({ load: NO_LOAD, drain, ...options });
    @Module({ imports: [heartbeat, FirstModule, ...modules, HeartbeatGraphQLModule], providers: [AppGateway] })
    class Root {}
    const given = { logger: false, abortOnError: false } as const;
    const app = isFastify
      ? await NestFactory.create(Root as Type, new FastifyAdapter(), given)
      : await NestFactory.create(Root as Type, given);
    app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
    await app.listen(0, '127.0.0.1');
    const world = new World(app);
    worlds.push(world);
    return world;
  }

  static async of(driver: Driver, options: HeartbeatOptions = {}): Promise<World> {
    const { modules, isFastify } = DRIVERS[driver];
    return World.start(modules(), isFastify, options);
  }

  get connections(): ConnectionService {
    return this.app.get(ConnectionService);
  }

  url(path = '/graphql'): string {
    const { port } = (this.app.getHttpServer() as Server).address() as AddressInfo;
    return `ws://127.0.0.1:${port}${path}`;
  }

  /** A client that stays connected, and returns as its library does by default. */
  client(path?: string): Client {
    const client = createClient({
      url: this.url(path),
      webSocketImpl: WebSocket,
      lazy: false,
      retryAttempts: 50,
      retryWait: () => sleep(20),
      on: {
        connected: () => this.log.push('connected'),
        closed: event => this.log.push(`closed ${(event as { code: number }).code}`),
      },
      onNonLazyError: error => this.log.push(`gave up ${(error as { code: number }).code}`),
    });
    this.clients.push(client);
    return client;
  }

  subscribe(client: Client): void {
    const sink = { next: () => void this.ticks++, error: () => undefined, complete: () => undefined };
    client.subscribe({ query: 'subscription { ticks }' }, sink);
  }

  /** A socket without a library. */
  async socket(options: object = {}): Promise<WebSocket> {
    const socket = new WebSocket(this.url(), 'graphql-transport-ws', options);
    this.sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'open');
    return socket;
  }

  async acknowledged(options?: object): Promise<WebSocket> {
    const socket = await this.socket(options);
    socket.send('{"type":"connection_init"}');
    await once(socket, 'message');
    return socket;
  }

  async close(): Promise<void> {
    // A client that gave up rejects.
    await Promise.allSettled(this.clients.map(async client => client.dispose()));
    for (const socket of this.sockets) socket.terminate();
    await this.app.close();
  }
}

async function ask(client: Client, query: string): Promise<unknown> {
  for await (const { data } of client.iterate({ query })) return data;
  return null;
}

describe.each(Object.keys(DRIVERS) as Driver[])('Subscriptions by %s', driver => {
  it('work as before, are listed and measured, and a gateway beside them works', async () => {
    const world = await World.of(driver, { heartbeat: SOON });
    const client = world.client();
    expect(await ask(client, '{ hello }')).toEqual({ hello: 'world' });
    world.subscribe(client);
    await until(() => world.ticks > 3);
    const gateway = new WebSocket(world.url('/ws'));
    world.sockets.push(gateway);
    await once(gateway, 'open');
    gateway.send('{"event":"echo","data":1}');
    expect(String((await once(gateway, 'message'))[0])).toBe('{"event":"echo","data":1}');
    const { items } = world.connections.list();
    expect(items.map(({ path, transport }) => [path, transport])).toEqual([
      ['/graphql', 'graphql-ws'],
      ['/ws', 'ws'],
    ]);
    expect(items[0]!.messagesIn).toBeGreaterThanOrEqual(3);
    await until(() => world.connections.list().items[0]!.rttMs !== null);
    // Its protocol has no broadcasts.
    expect(world.connections.broadcast('x')).toBe(1);
  });

  it('end for good by a kick or a ban, and return after a reconnect code and after a drain', async () => {
    // By HTTP, graphql-ws takes a refusal for an error that it does not retry by default.
    const world = await World.of(driver, { limits: { refuseWith: 'close' } });
    world.subscribe(world.client());
    const id = async () => (await until(() => world.connections.list().items[0])).id;
    await until(() => world.ticks > 1);
    world.connections.kick(await id(), { reconnect: true });
    await until(() => world.log.length === 3);
    expect(world.log).toEqual(['connected', 'closed 4408', 'connected']);
    const received = world.ticks;
    await until(() => world.ticks > received + 1);
    const drain = world.app.get(DrainService);
    await drain.start('test');
    expect(drain.abort()).toBe(true);
    await until(() => world.connections.count === 1);
    expect(world.log.slice(3, 4)).toEqual(['closed 1001']);
    const before = world.log.length;
    world.connections.kick(await id());
    await until(() => world.log.length >= before + 2);
    expect(world.log.slice(-2)).toEqual(['closed 4401', 'gave up 4401']);
    const ends = world.connections.closedHistory();
    expect(ends.map(({ code }) => code)).toEqual([4500, 1001, 4005]);
    expect(ends.map(({ verdict = '' }) => verdict.split(/ and the reason| at \d/)[0])).toEqual([
      'The application kicked it with 4500 (sent as 4401)',
      'The node drained (test), so the server closed it with 1001',
      'The application kicked it with 4005 (sent as 4408)',
    ]);
  });

  it('count for the limits, and a client that is refused by a close code returns when there is room', async () => {
    const world = await World.of(driver, { limits: { maxConnections: 2, refuseWith: 'close' } });
    const [first] = [await world.acknowledged(), await world.acknowledged()];
    world.client();
    await until(() => world.log.filter(line => line === 'closed 1013').length > 1);
    expect(world.connections.count).toBe(2);
    first.close();
    await until(() => world.log.includes('connected'));
    const bans = world.app.get(BanList);
    bans.ban({ kind: 'ip', value: '127.0.0.1', forMs: 60_000 });
    await until(() => world.log.at(-1) === 'gave up 4401');
    expect(world.connections.closedHistory()[0]!.code).toBe(4501);
    // The next attempt is refused with the same effect.
    world.client();
    await until(() => world.log.slice(-2).join() === 'closed 4401,gave up 4401');
  });

  it('end where the peer is silent, and none ends by a stall of the server or by timers of the protocol', async () => {
    const world = await World.of(driver, { heartbeat: SOON });
    const before = timers();
    for (let opened = 0; opened < 20; opened++) await world.acknowledged();
    // That of connection_init ends by itself. The keep-alive of graphql-ws would keep one for each socket.
    await until(() => timers() - before < 20);
    await world.acknowledged({ autoPong: false });
    const stallUntil = Date.now() + 1500;
    while (Date.now() < stallUntil);
    await until(() => world.connections.closedHistory().some(({ code }) => code === 4000));
    expect(world.connections.count).toBe(20);
  });

  it('leave nothing, and their driver stops after the drain', async () => {
    const assertNothingLeft = watchLeaks();
    const world = await World.of(driver);
    const socket = await world.acknowledged();
    worlds.splice(0);
    const closed = once(socket, 'close');
    await world.app.close();
    const [code, reason] = (await closed) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([1001, expect.stringMatching(/^server is going away; retry-after=\d+$/)]);
    await assertNothingLeft();
  });
});

const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;

describe('Subscriptions', () => {
  it('of several modules and paths, also by forRootAsync, are tracked, with the time for connection_init', async () => {
    const second = GraphQLModule.forRootAsync<ApolloDriverConfig>({
      driver: ApolloDriver,
      useFactory: async () => apollo({ path: '/second', include: [SecondModule] }),
    });
    const first = GraphQLModule.forRoot<ApolloDriverConfig>(apollo({ include: [FirstModule] }));
    const world = await World.start([SecondModule, first, second], false);
    expect(await ask(world.client(), '{ hello }')).toEqual({ hello: 'world' });
    expect(await ask(world.client('/second'), '{ two }')).toEqual({ two: 2 });
    expect(world.connections.list().items.map(({ path, transport }) => [path, transport])).toEqual([
      ['/graphql', 'graphql-ws'],
      ['/second', 'graphql-ws'],
    ]);
    const silent = await world.socket();
    expect((await once(silent, 'close'))[0]).toBe(4408);
  });

  it('begin after a stall of the server, and call the onConnect of the application', async () => {
    const payloads: unknown[] = [];
    const onConnect = ({ connectionParams }: { connectionParams?: unknown }) => void payloads.push(connectionParams);
    const subscriptions = { 'graphql-ws': { connectionInitWaitTimeout: 1000, onConnect: onConnect as never } };
    const world = await World.start([GraphQLModule.forRoot<ApolloDriverConfig>(apollo({ subscriptions }))], false);
    const socket = await world.socket();
    await until(() => world.connections.count === 1);
    const stallUntil = Date.now() + 2500;
    while (Date.now() < stallUntil);
    socket.send('{"type":"connection_init","payload":{"a":1}}');
    expect(String((await once(socket, 'message'))[0])).toContain('connection_ack');
    expect(payloads).toEqual([{ a: 1 }]);
  });

  it('that are not configured are named in the log, and a missing GraphQL module is an error', async () => {
    const warned: string[] = [];
    const warn = Logger.prototype.warn;
    Logger.prototype.warn = text => void warned.push(String(text));
    try {
      await World.start([GraphQLModule.forRoot<ApolloDriverConfig>(apollo({ subscriptions: {} }))], false);
    } finally {
      Logger.prototype.warn = warn;
    }
    expect(warned.filter(text => text.includes("set subscriptions: { 'graphql-ws': true }"))).toHaveLength(1);
    await expect(World.start([], false)).rejects.toThrow('import GraphQLModule.forRoot');
  });
});
