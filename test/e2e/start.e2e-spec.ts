/** How an app starts with the module, and the mistakes that it refuses to start with, in words that say what to do. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplicationContext, Inject, Injectable, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  ConnectionService,
  HeartbeatError,
  HeartbeatModule,
  type HeartbeatOptions,
  HeartbeatService,
  HeartbeatWsAdapter,
} from 'nestjs-heartbeat';
import { HEARTBEAT_OPTIONS, type ResolvedOptions } from 'nestjs-heartbeat/tooling';
import { CapturingLogger, freePort } from '../support/servers/app.js';
import { watchLeaks } from '../support/assert/leaks.js';
import { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo() {
    return { event: 'echo' };
  }
}

const apps: INestApplicationContext[] = [];
const clients: RawClient[] = [];
let assertNothingLeft: () => Promise<void>;

beforeEach(() => {
  assertNothingLeft = watchLeaks();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const app of apps.splice(0)) await app.close();
  await assertNothingLeft();
});

/** A root module as an app would have it. */
function appModule(
  imports: NonNullable<Parameters<typeof Module>[0]['imports']>,
  gateway?: Type<unknown>,
): Type<unknown> {
  @Module({ imports, providers: gateway ? [gateway] : [] })
  class AppModule {}
  return AppModule;
}

async function create(module: Type<unknown>) {
  const app = await NestFactory.create(module, { abortOnError: false, logger: new CapturingLogger() });
  apps.push(app);
  return app;
}

/** Creates the app, and listens on a free port. */
async function listen(module: Type<unknown>) {
  const app = await create(module);
  app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
  await app.listen(0, '127.0.0.1');
  return app;
}

/** How many connections the app has after one more client has come and been served. */
async function trackedAfterOne(app: Awaited<ReturnType<typeof create>>): Promise<number> {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const client = await RawClient.opened({ port });
  clients.push(client);
  client.sendEvent('echo');
  await until(() => client.messages.length === 1);
  return app.get(ConnectionService, { strict: false }).count;
}

/** The error that a start ends with. */
async function failure(start: Promise<unknown>): Promise<HeartbeatError> {
  const error = await start.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HeartbeatError);
  return error as HeartbeatError;
}

describe('The module starts', () => {
  it('by forRoot() without an argument', async () => {
    expect(await trackedAfterOne(await listen(appModule([HeartbeatModule.forRoot()], EchoGateway)))).toBe(1);
  });

  it('by forRoot() with options', async () => {
    const app = await listen(appModule([HeartbeatModule.forRoot({ heartbeat: { intervalMs: 21_345 } })], EchoGateway));
    expect(app.get(HeartbeatService, { strict: false }).intervalMs).toBe(21_345);
    expect(await trackedAfterOne(app)).toBe(1);
  });

  const ASYNC: HeartbeatOptions = { heartbeat: { intervalMs: 23_456 } };

  @Injectable()
  class Settings {
    readonly intervalMs = 23_456;

    createHeartbeatOptions(): Promise<HeartbeatOptions> {
      return Promise.resolve(ASYNC);
    }
  }

  @Module({ providers: [Settings], exports: [Settings] })
  class SettingsModule {}

  it.each([
    ['useFactory', HeartbeatModule.forRootAsync({ useFactory: () => ASYNC })],
    ['useFactory, a promise', HeartbeatModule.forRootAsync({ useFactory: () => Promise.resolve(ASYNC) })],
    [
      'useFactory with inject and imports',
      HeartbeatModule.forRootAsync({
        imports: [SettingsModule],
        inject: [Settings],
        useFactory: ({ intervalMs }: Settings) => ({ heartbeat: { intervalMs } }),
      }),
    ],
    ['useClass', HeartbeatModule.forRootAsync({ useClass: Settings })],
    ['useExisting', HeartbeatModule.forRootAsync({ imports: [SettingsModule], useExisting: Settings })],
  ])('by forRootAsync() with %s', async (_, module) => {
    const app = await listen(appModule([module], EchoGateway));
    expect(app.get(HeartbeatService, { strict: false }).intervalMs).toBe(23_456);
    const options = app.get<ResolvedOptions>(HEARTBEAT_OPTIONS, { strict: false });
    expect(options.heartbeat.missedPongs).toBe(2);
    expect(Object.isFrozen(options.heartbeat)).toBe(true);
    expect(await trackedAfterOne(app)).toBe(1);
  });

  it('twice in one process, each for itself', async () => {
    const module = appModule([HeartbeatModule.forRoot()], EchoGateway);
    const [first, second] = [await listen(module), await listen(module)];
    expect(await trackedAfterOne(first)).toBe(1);
    expect(second.get(ConnectionService, { strict: false }).count).toBe(0);
    expect(await trackedAfterOne(second)).toBe(1);
  });

  it('in an application context without HTTP, with gateways and without an adapter', async () => {
    const module = appModule([HeartbeatModule.forRoot()], EchoGateway);
    const context = await NestFactory.createApplicationContext(module, {
      abortOnError: false,
      logger: new CapturingLogger(),
    });
    apps.push(context);
    expect(context.get(ConnectionService, { strict: false }).count).toBe(0);
    await context.close();
  });

  it('in an app without gateways and without the adapter', async () => {
    const app = await create(appModule([HeartbeatModule.forRoot()]));
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    expect((await fetch(`http://127.0.0.1:${port}/nothing`)).status).toBe(404);
  });
});

describe('isGlobal', () => {
  @Injectable()
  class FarAway {
    constructor(@Inject(ConnectionService) readonly connections: ConnectionService) {}
  }

  @Module({ providers: [FarAway] })
  class FarModule {}

  it.each([
    ['forRoot', HeartbeatModule.forRoot({ isGlobal: true })],
    ['forRootAsync', HeartbeatModule.forRootAsync({ isGlobal: true, useFactory: () => ({}) })],
  ])('lets every module inject the services: %s', async (_, module) => {
    const app = await create(appModule([FarModule, module]));
    await app.init();
    const { connections } = app.get(FarAway, { strict: false });
    expect(connections).toBe(app.get(ConnectionService, { strict: false }));
  });

  it('is off by default', async () => {
    await expect(create(appModule([FarModule, HeartbeatModule.forRoot()]))).rejects.toThrow(/ConnectionService/);
  });
});

/** A feature module that imports these. */
const feature = (...imports: NonNullable<Parameters<typeof Module>[0]['imports']>) => {
  @Module({ imports })
  class ChatModule {}
  return ChatModule;
};
const outer = (module: Type<unknown>) => {
  @Module({ imports: [module] })
  class OtherModule {}
  return OtherModule;
};
const forRoot = () => HeartbeatModule.forRoot();
const forRootAsync = () => HeartbeatModule.forRootAsync({ useFactory: () => ({}) });

describe('The app refuses to start', () => {
  const LINE = 'app.useWebSocketAdapter(new HeartbeatWsAdapter(app));';

  it.each([
    ['init', (app: Awaited<ReturnType<typeof create>>) => app.init()],
    ['listen', (app: Awaited<ReturnType<typeof create>>) => app.listen(0, '127.0.0.1')],
  ])('without the adapter, at %s, and names the line to add', async (_, start) => {
    const app = await create(appModule([HeartbeatModule.forRoot()], EchoGateway));
    const { code, message } = await failure(start(app));
    expect(code).toBe('HEARTBEAT_ADAPTER_MISSING');
    expect(message).toContain(LINE);
    expect(message).toContain('EchoGateway');
  });

  it('with Nest’s own adapter instead of ours', async () => {
    const app = await create(appModule([HeartbeatModule.forRoot()], EchoGateway));
    app.useWebSocketAdapter(new WsAdapter(app));
    const { code, message } = await failure(app.init());
    expect(code).toBe('HEARTBEAT_ADAPTER_MISSING');
    expect(message).toContain(LINE);
  });

  it('with an adapter that was made and not used', async () => {
    const app = await create(appModule([HeartbeatModule.forRoot()], EchoGateway));
    const adapter = new HeartbeatWsAdapter(app);
    expect(adapter).toBeDefined();
    app.useWebSocketAdapter(new WsAdapter(app));
    const { code, message } = await failure(app.init());
    expect(code).toBe('HEARTBEAT_ADAPTER_MISSING');
    expect(message).toContain(LINE);
  });

  it('with the adapter and without the module, and names the import', async () => {
    const app = await create(appModule([], EchoGateway));
    expect(() => new HeartbeatWsAdapter(app)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_MODULE_MISSING' }));
    expect(() => new HeartbeatWsAdapter(app)).toThrow(/HeartbeatModule\.forRoot\(\)/);
  });

  describe('with more than one HeartbeatModule', () => {
    it.each<[string, () => Type<unknown>, RegExp]>([
      ['forRoot() twice', () => appModule([forRoot(), feature(forRoot())]), /twice, by AppModule and by ChatModule/],
      [
        'in the other order',
        () => appModule([feature(forRoot()), forRoot()]),
        /twice, by (AppModule|ChatModule) and by/,
      ],
      [
        'with other options',
        () => appModule([forRoot(), feature(HeartbeatModule.forRoot({ closedHistory: 5 }))]),
        /twice/,
      ],
      ['forRoot() and forRootAsync()', () => appModule([forRoot(), feature(forRootAsync())]), /twice, by/],
      [
        'both global',
        () =>
          appModule([
            HeartbeatModule.forRoot({ isGlobal: true }),
            feature(HeartbeatModule.forRoot({ isGlobal: true })),
          ]),
        /twice/,
      ],
      ['twice in one module', () => appModule([forRoot(), forRoot()]), /twice, by AppModule and by AppModule/],
      ['three times', () => appModule([forRoot(), feature(forRoot()), outer(feature(forRootAsync()))]), /3 times, by/],
      [
        'the class beside forRoot()',
        () => appModule([forRoot(), feature(HeartbeatModule)]),
        /as a class by ChatModule/,
      ],
      ['the class alone', () => appModule([HeartbeatModule], EchoGateway), /as a class by AppModule/],
    ])('%s, and names where and how to import it once', async (_what, module, where) => {
      const { code, message, problems } = await failure(create(module()));
      expect(code).toBe('HEARTBEAT_BAD_OPTIONS');
      expect(message).toMatch(where);
      expect(message).toMatch(/isGlobal: true.*export const heartbeat = HeartbeatModule\.forRoot/s);
      expect(message).not.toMatch(/adapter/i);
      expect(problems).toHaveLength(1);
    });

    it('but starts where modules share one object', async () => {
      const heartbeat = HeartbeatModule.forRoot();
      const app = await listen(appModule([heartbeat, feature(heartbeat), outer(feature(heartbeat))], EchoGateway));
      expect(await trackedAfterOne(app)).toBe(1);
    });
  });

  it('with a gateway that brings its own { server }, and names it', async () => {
    const server = createServer();
    @WebSocketGateway({ server, path: '/ws' } as object)
    class EscapingGateway {}
    const app = await create(appModule([HeartbeatModule.forRoot()], EscapingGateway));
    app.useWebSocketAdapter(new HeartbeatWsAdapter(app));
    const { code, message } = await failure(app.init());
    expect(code).toBe('HEARTBEAT_GATEWAY_UNTRACKED');
    expect(message).toContain('EscapingGateway');
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  it('when a gateway’s port is taken, and names it', async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>(resolve => other.listen(port, resolve));
    @WebSocketGateway(port, { path: '/own' })
    class OwnPortGateway {}
    try {
      const { code, message } = await failure(listen(appModule([HeartbeatModule.forRoot()], OwnPortGateway)));
      expect(code).toBe('HEARTBEAT_PORT_UNAVAILABLE');
      expect(message).toContain(String(port));
    } finally {
      await new Promise(resolve => other.close(resolve));
    }
  });

  const WRONG = {
    heartbeat: { intervalMs: 20_000, pongTimeoutMs: 15_000, missedPong: 3 },
    limits: { maxConnections: 0 },
    drain: { spreadMs: 30_000 },
    closedHistory: 'many',
    colour: 'blue',
  } as unknown as HeartbeatOptions;

  it.each([
    ['forRoot', () => HeartbeatModule.forRoot(WRONG)],
    ['forRootAsync', () => HeartbeatModule.forRootAsync({ useFactory: () => WRONG })],
  ])('with wrong options, and lists each with key, value, rule and remedy: %s', async (_, module) => {
    const { code, message, problems } = await failure(create(appModule([module()])));
    expect(code).toBe('HEARTBEAT_BAD_OPTIONS');
    expect(problems.map(({ key }) => key).toSorted()).toEqual([
      'closedHistory',
      'colour',
      'drain.deadlineMs',
      'heartbeat.missedPong',
      'heartbeat.pongTimeoutMs',
      'limits.maxConnections',
    ]);
    for (const { key, value, rule, remedy } of problems) {
      const line = message.split('\n').find(text => text.includes(`${key} is `));
      expect(line).toContain(JSON.stringify(value));
      expect(line).toContain(rule);
      expect(line).toContain(remedy);
      expect(rule.length).toBeGreaterThan(8);
      expect(remedy.length).toBeGreaterThan(8);
    }
  });

  it('with the error of a factory that fails', async () => {
    const module = HeartbeatModule.forRootAsync({ useFactory: () => Promise.reject(new Error('no settings')) });
    await expect(create(appModule([module], EchoGateway))).rejects.toThrow('no settings');
  });
});
