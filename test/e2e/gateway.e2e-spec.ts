/** Gateways as Nest's users write them, tracked with no code in them: paths, ports, answers, parsers, and what surrounds a handler. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Socket } from 'node:net';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  type OnApplicationBootstrap,
  type PipeTransform,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
} from '@nestjs/websockets';
import { finalize, interval, map, type Observable, of } from 'rxjs';
import type { Message, TrackedSocket } from 'nestjs-heartbeat';
import { freePort, TestApp, type TestAppOptions } from '../support/servers/app.js';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  readonly sockets: TrackedSocket[] = [];

  handleConnection(socket: TrackedSocket): void {
    this.sockets.push(socket);
  }

  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }
}

afterEach(async () => {
  jest.restoreAllMocks();
  await TestApp.closeAll();
});

/** The messages of a client once there are `count`. */
async function answers(client: RawClient, count: number): Promise<unknown[]> {
  await until(() => client.messages.length >= count, {
    message: () => `${count} messages, got ${JSON.stringify(client.texts)}`,
  });
  return client.json;
}

/** Sends one event and resolves with the next message. */
async function ask(client: RawClient, event: string, data?: unknown): Promise<unknown> {
  const before = client.messages.length;
  client.sendEvent(event, data);
  return (await answers(client, before + 1))[before];
}

describe('Gateways', () => {
  it('that share one path add no listener to any socket, and both handle', async () => {
    const connected: string[] = [];
    @WebSocketGateway({ path: '/ws' })
    class SecondGateway {
      @WebSocketServer()
      readonly server: { readonly clients: ReadonlySet<unknown> };

      handleConnection(): void {
        connected.push('second');
      }

      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'second-echo', data };
      }

      @SubscribeMessage('other')
      other() {
        return { event: 'other', data: this.server.clients.size };
      }
    }
    const app = await TestApp.start({ gateways: [EchoGateway, SecondGateway] });
    const clients = [await app.opened(), await app.opened()];
    await until(() => connected.length === 2);
    for (const socket of app.app.get(EchoGateway).sockets) expect(socket.listenerCount('message')).toBe(0);
    for (const client of clients) {
      client.sendEvent('echo', 7);
      const both = await answers(client, 2);
      expect(both).toEqual(
        expect.arrayContaining([
          { event: 'echo', data: 7 },
          { event: 'second-echo', data: 7 },
        ]),
      );
      expect(await ask(client, 'other')).toEqual({ event: 'other', data: 2 });
    }
    expect(app.connections.count).toBe(2);
  });

  it('on ports of their own are tracked as those on the app’s are', async () => {
    const [port, lonePort] = [await freePort(), await freePort()];
    @WebSocketGateway(port, { path: '/live' })
    class LiveGateway {
      @SubscribeMessage('who')
      who() {
        return { event: 'who', data: 'live' };
      }
    }
    @WebSocketGateway(port, { path: 'feed/' })
    class FeedGateway {
      @SubscribeMessage('who')
      who() {
        return { event: 'who', data: 'feed' };
      }
    }
    @WebSocketGateway(lonePort)
    class LoneGateway {
      @SubscribeMessage('who')
      who() {
        return { event: 'who', data: 'lone' };
      }
    }
    const app = await TestApp.start({ gateways: [EchoGateway, LiveGateway, FeedGateway, LoneGateway] });
    const live = await app.opened({ port, path: '/live' });
    const feed = await app.opened({ port, path: '/feed?token=secret' });
    const lone = await app.opened({ port: lonePort, path: '/' });
    await app.opened();
    expect(await ask(live, 'who')).toEqual({ event: 'who', data: 'live' });
    expect(await ask(feed, 'who')).toEqual({ event: 'who', data: 'feed' });
    expect(await ask(lone, 'who')).toEqual({ event: 'who', data: 'lone' });
    expect(app.connections.list().items.map(({ path }) => path)).toEqual(['/live', '/feed', '/', '/ws']);
    expect(app.connections.find({ path: '/feed' })).toHaveLength(1);
    expect((await app.client({ port, path: '/ws' }).open()).status).toBe(404);
    expect((await app.client({ path: '/live' }).open()).status).toBe(404);
  });

  it('answer on an unserved path with 404 and problem+json', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway] });
    const { status, headers, body } = await app.client({ path: '/elsewhere' }).open();
    expect(status).toBe(404);
    expect(headers['content-type']).toContain('application/problem+json');
    expect((JSON.parse(body) as { type: string }).type).toMatch(/no-such-path$/);
  });

  it('on their own port admit no client before the last bootstrap hook of the app has run', async () => {
    const port = await freePort();
    @WebSocketGateway(port, { path: '/early' })
    class EarlyGateway {}
    const releases: (() => void)[] = [];
    const hook = jest.fn(() => new Promise<void>(resolve => releases.push(resolve)));
    @Injectable()
    class SlowStart implements OnApplicationBootstrap {
      onApplicationBootstrap = hook;
    }
    const app = await TestApp.prepare({ gateways: [EarlyGateway], providers: [SlowStart] });
    const listening = app.app.listen(0, '127.0.0.1');
    await until(() => hook.mock.calls.length === 1);
    const early = await app.client({ port, path: '/early' }).open();
    expect(early.status).toBe(503);
    expect(early.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect((JSON.parse(early.body) as { type: string }).type).toMatch(/starting$/);
    releases[0]!();
    await listening;
    await app.opened({ port, path: '/early' });
    expect(app.connections.count).toBe(1);
  });

  it('on their own port have keep-alive from the socket that listens', async () => {
    const port = await freePort();
    @WebSocketGateway(port, { path: '/own' })
    class OwnPortGateway {}
    const set = jest.spyOn(Socket.prototype, 'setKeepAlive');
    const app = await TestApp.start({ gateways: [OwnPortGateway] });
    await app.opened({ port, path: '/own' });
    expect(set.mock.contexts.filter(socket => (socket as { server?: unknown }).server)).toEqual([]);
  });

  it('get the message that a client sends together with its handshake', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway] });
    const client = app.client();
    await client.connect();
    client.socket.cork();
    client.sendRaw(client.handshake());
    client.sendEvent('echo', 'hasty');
    client.socket.uncork();
    expect(await client.answer).toMatchObject({ status: 101 });
    expect(await answers(client, 1)).toEqual([{ event: 'echo', data: 'hasty' }]);
  });
});

describe('A handler’s answer', () => {
  let endlessEnded = 0;

  @WebSocketGateway({ path: '/ws' })
  class AnsweringGateway {
    @SubscribeMessage('value')
    value(@MessageBody('nested') nested: unknown, @ConnectedSocket() socket: TrackedSocket) {
      return { event: 'value', data: [nested, socket.readyState] };
    }

    @SubscribeMessage('bare')
    bare() {
      return 'just a text';
    }

    @SubscribeMessage('nothing')
    nothing(): void {}

    @SubscribeMessage('promise')
    async promise() {
      return { event: 'promise', data: await Promise.resolve(1) };
    }

    @SubscribeMessage('several')
    several(): Observable<unknown> {
      return of(1, 2, 3).pipe(map(data => ({ event: 'several', data })));
    }

    @SubscribeMessage('promised-stream')
    async promisedStream(): Promise<Observable<unknown>> {
      return of({ event: 'promised-stream', data: 1 });
    }

    @SubscribeMessage('endless')
    endless(): Observable<unknown> {
      return interval(10).pipe(
        map(data => ({ event: 'endless', data })),
        finalize(() => endlessEnded++),
      );
    }
  }

  it('is sent as { event, data }: a value, a promise, each value of an Observable, or nothing', async () => {
    const app = await TestApp.start({ gateways: [AnsweringGateway] });
    const client = await app.opened();
    expect(await ask(client, 'value', { nested: 'x' })).toEqual({ event: 'value', data: ['x', 1] });
    expect(await ask(client, 'bare')).toBe('just a text');
    client.sendEvent('nothing');
    expect(await ask(client, 'promise')).toEqual({ event: 'promise', data: 1 });
    const before = client.messages.length;
    client.sendEvent('several');
    expect((await answers(client, before + 3)).slice(before)).toEqual(
      [1, 2, 3].map(data => ({ event: 'several', data })),
    );
    expect(await ask(client, 'promised-stream')).toEqual({ event: 'promised-stream', data: 1 });
    expect(client.messages).toHaveLength(before + 4);
  });

  it('that is an endless Observable is unsubscribed when its connection closes, and only then', async () => {
    endlessEnded = 0;
    const app = await TestApp.start({ gateways: [AnsweringGateway] });
    const [leaving, staying] = [await app.opened(), await app.opened()];
    leaving.sendEvent('endless');
    staying.sendEvent('endless');
    await answers(leaving, 3);
    leaving.reset();
    await until(() => endlessEnded === 1);
    await answers(staying, staying.messages.length + 3);
    expect(endlessEnded).toBe(1);
    staying.close(1000);
    await until(() => endlessEnded === 2);
  });
});

describe('A burst that a handler sends', () => {
  it('counts as waiting only where the kernel does not take it, also behind other messages of one read', async () => {
    @WebSocketGateway({ path: '/ws' })
    class BurstGateway {
      readonly waiting: number[] = [];

      @SubscribeMessage('burst')
      burst(@ConnectedSocket() client: TrackedSocket): void {
        for (let sent = 0; sent < 8; sent++) client.send(Buffer.alloc(48 * 1024));
        this.waiting.push(client.bufferedAmount);
      }
    }
    const app = await TestApp.start({
      gateways: [BurstGateway],
      options: { backpressure: { maxBufferedBytes: 128 * 1024 } },
    });
    const client = await app.opened();
    const burst = encodeFrame({ opcode: Opcode.text, payload: '{"event":"burst"}' });
    client.sendRaw(Buffer.concat([burst, burst, burst]));
    await until(() => client.messages.length === 24 || client.closeFrame);
    expect([client.closeFrame, client.messages.length]).toEqual([null, 24]);
    expect(Math.max(...app.app.get(BurstGateway).waiting)).toBeLessThan(128 * 1024);
  });
});

describe('Messages that no handler takes', () => {
  const ODD = [
    '',
    'no JSON',
    '{',
    'null',
    '42',
    '"text"',
    '[]',
    '{}',
    '{"data":1}',
    '{"event":null}',
    '{"event":1}',
    '{"event":["echo"]}',
    '{"event":{}}',
    '{"event":{"toString":1}}',
    '{"event":{"toString":null,"valueOf":null}}',
    '{"event":"__proto__"}',
    '{"event":"constructor"}',
    '{"event":"hasOwnProperty"}',
    `{"event":${JSON.stringify('x'.repeat(10_000))}}`,
    `{"event":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    '{"event":"heartbeat"}',
    '{"event":"heartbeat","data":{"sentAt":{"toString":1}}}',
  ];

  it.each(ODD.map(text => [text.slice(0, 60), text]))('end nothing: %s', async (_, text) => {
    const app = await TestApp.start({ gateways: [EchoGateway] });
    const [client, other] = [await app.opened(), await app.opened()];
    client.sendText(text);
    client.sendBinary(Buffer.from(text));
    client.sendEvent('echo', 'after');
    await until(() => client.texts.includes('{"event":"echo","data":"after"}'));
    expect(await ask(other, 'echo', 1)).toEqual({ event: 'echo', data: 1 });
    expect(app.connections.count).toBe(2);
  });
});

/** Messages such as `echo|text`; `drop` is dropped, `fail` throws. */
function parse(data: string | Buffer): Message | void {
  if (typeof data !== 'string') return { event: 'echo', data: [...data] };
  if (data === 'fail') throw new Error('the parser failed');
  if (data === 'drop') return;
  const [event, ...rest] = data.split('|');
  return { event, data: rest.join('|') };
}

const laterParser: NonNullable<TestAppOptions['configure']> = (_, adapter) => adapter.setMessageParser(parse);

describe('A message parser of the app', () => {
  it.each([
    ['given to the adapter', { messageParser: parse }],
    ['set later', { configure: laterParser }],
  ])('reads every message: %s', async (_, given: TestAppOptions) => {
    const app = await TestApp.start({ gateways: [EchoGateway], ...given });
    const client = await app.opened();
    client.sendText('drop');
    client.sendText('fail');
    client.sendText('unknown|event');
    client.sendText('echo|one');
    client.sendBinary(Buffer.from([1, 2]));
    expect(await answers(client, 2)).toEqual([
      { event: 'echo', data: 'one' },
      { event: 'echo', data: [1, 2] },
    ]);
    expect(app.logged('error').filter(line => line.includes('the parser failed'))).toHaveLength(1);
    expect(app.connections.count).toBe(1);
  });

  it('may give events that are no texts', async () => {
    const events: unknown[] = [Object.create(null), Symbol('event'), 1n, null];
    const messageParser = (data: string) => ({ event: data === 'next' ? events.shift() : 'echo', data: 1 });
    const app = await TestApp.start({ gateways: [EchoGateway], messageParser });
    const client = await app.opened();
    for (let sent = 0; sent < 4; sent++) client.sendText('next');
    client.sendText('echo');
    expect(await answers(client, 1)).toEqual([{ event: 'echo', data: 1 }]);
    expect(events).toEqual([]);
  });
});

describe('Guards, pipes, interceptors and filters of a handler', () => {
  class Doubling implements PipeTransform {
    transform(value: unknown): number {
      if (typeof value !== 'number') throw new WsException(`${JSON.stringify(value)} is no number`);
      return value * 2;
    }
  }

  class Closed implements CanActivate {
    canActivate(context: ExecutionContext): boolean {
      return context.switchToWs().getData<string>() === 'open sesame';
    }
  }

  class Wrapping implements NestInterceptor {
    intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
      const pattern = context.switchToWs().getPattern();
      return next.handle().pipe(map(data => ({ event: `wrapped-${pattern}`, data })));
    }
  }

  @Catch(RangeError)
  class RangeFilter {
    catch(error: RangeError, host: ArgumentsHost): void {
      host
        .switchToWs()
        .getClient<TrackedSocket>()
        .send(JSON.stringify({ event: 'out-of-range', data: error.message }));
    }
  }

  @WebSocketGateway({ path: '/ws' })
  class SurroundedGateway {
    @UsePipes(Doubling)
    @SubscribeMessage('pipe')
    pipe(@MessageBody() data: number) {
      return { event: 'pipe', data };
    }

    @UseGuards(Closed)
    @SubscribeMessage('guard')
    guard() {
      return { event: 'guard', data: 'in' };
    }

    @UseInterceptors(Wrapping)
    @SubscribeMessage('interceptor')
    interceptor(@MessageBody() data: unknown) {
      return of(data, data);
    }

    @UseFilters(RangeFilter)
    @SubscribeMessage('filter')
    filter() {
      throw new RangeError('too far');
    }
  }

  it('works: pipes, guards, interceptors and filters', async () => {
    const app = await TestApp.start({ gateways: [SurroundedGateway] });
    const client = await app.opened();
    expect(await ask(client, 'pipe', 21)).toEqual({ event: 'pipe', data: 42 });
    expect(await ask(client, 'pipe', 'x')).toMatchObject({
      event: 'exception',
      data: { status: 'error', message: '"x" is no number' },
    });
    expect(await ask(client, 'guard', 'open sesame')).toEqual({ event: 'guard', data: 'in' });
    expect(await ask(client, 'guard', 'please')).toMatchObject({
      event: 'exception',
      data: { message: 'Forbidden resource' },
    });
    const before = client.messages.length;
    client.sendEvent('interceptor', 5);
    expect((await answers(client, before + 2)).slice(before)).toEqual(
      [1, 2].map(() => ({ event: 'wrapped-interceptor', data: 5 })),
    );
    expect(await ask(client, 'filter')).toEqual({ event: 'out-of-range', data: 'too far' });
  });

  it('works for gateways in the request’s scope: one for each client, its hooks and handlers alike', async () => {
    let made = 0;
    const hooks: string[] = [];
    @Injectable({ scope: Scope.REQUEST })
    @WebSocketGateway({ path: '/ws' })
    class ScopedGateway {
      readonly number = ++made;

      constructor(@Inject(REQUEST) private readonly client: TrackedSocket) {}

      handleConnection(client: TrackedSocket): void {
        hooks.push(`${this.number} connected ${client === this.client}`);
      }

      handleDisconnect(client: TrackedSocket): void {
        hooks.push(`${this.number} disconnected ${client === this.client}`);
      }

      @SubscribeMessage('number')
      getNumber() {
        return { event: 'number', data: this.number };
      }
    }
    const app = await TestApp.start({ gateways: [ScopedGateway] });
    const clients = [await app.opened(), await app.opened()];
    const numbers = await Promise.all(clients.map(client => ask(client, 'number')));
    expect(await ask(clients[0]!, 'number')).toEqual(numbers[0]);
    expect(numbers[0]).not.toEqual(numbers[1]);
    expect(made).toBe(2);
    for (const client of clients) client.close(1000);
    await until(() => hooks.length === 4);
    expect(hooks.toSorted()).toEqual([
      '1 connected true',
      '1 disconnected true',
      '2 connected true',
      '2 disconnected true',
    ]);
  });
});

/** Handlers that the test ends. */
function gatedGateway() {
  const begun: number[] = [];
  const release: (() => void)[] = [];
  let running = 0;
  let most = 0;
  @WebSocketGateway({ path: '/ws' })
  class GatedGateway extends EchoGateway {
    @SubscribeMessage('work')
    async work(@MessageBody() number: number) {
      begun.push(number);
      most = Math.max(most, ++running);
      await new Promise<void>(resolve => release.push(resolve));
      running--;
      return { event: 'done', data: number };
    }

    @SubscribeMessage('pause')
    async pause(@ConnectedSocket() socket: TrackedSocket) {
      socket.pause();
      await new Promise<void>(resolve => release.push(resolve));
    }
  }
  return { GatedGateway, begun, release, most: () => most };
}

describe('limits.maxInFlight', () => {
  const TWELVE = Array.from({ length: 12 }, (_, number) => number);

  it('bounds the handlers that run at once; beyond, the socket is not read, and no message is lost or overtaken', async () => {
    const { GatedGateway, begun, release, most } = gatedGateway();
    const app = await TestApp.start({ gateways: [GatedGateway], options: { limits: { maxInFlight: 3 } } });
    const client = await app.opened();
    const [socket] = app.app.get(GatedGateway).sockets;
    client.socket.cork();
    for (const number of TWELVE) client.sendEvent('work', number);
    client.socket.uncork();
    await until(() => begun.length === 3 && socket!.isPaused);
    client.sendEvent('echo', 'waits its turn');
    for (const number of TWELVE) {
      await until(() => release.length > number);
      expect(begun.length).toBeLessThanOrEqual(number + 3);
      release[number]!();
    }
    await answers(client, 13);
    expect(begun).toEqual(TWELVE);
    expect(most()).toBe(3);
    await until(() => !socket!.isPaused);
    expect(client.json).toEqual([
      ...TWELVE.map(data => ({ event: 'done', data })),
      { event: 'echo', data: 'waits its turn' },
    ]);
  });

  it('holds for each connection alone', async () => {
    const { GatedGateway, begun } = gatedGateway();
    const app = await TestApp.start({ gateways: [GatedGateway], options: { limits: { maxInFlight: 2 } } });
    const [busy, other] = [await app.opened(), await app.opened()];
    for (const number of TWELVE) busy.sendEvent('work', number);
    await until(() => begun.length === 2);
    expect(await ask(other, 'echo', 1)).toEqual({ event: 'echo', data: 1 });
  });

  it('begins no further handler once the connection has ended', async () => {
    const { GatedGateway, begun, release } = gatedGateway();
    const app = await TestApp.start({ gateways: [GatedGateway], options: { limits: { maxInFlight: 1 } } });
    const client = await app.opened();
    const [socket] = app.app.get(GatedGateway).sockets;
    client.socket.cork();
    for (const number of TWELVE) client.sendEvent('work', number);
    client.socket.uncork();
    await until(() => socket!.isPaused);
    socket!.terminate();
    await until(() => app.connections.count === 0);
    release[0]!();
    const later = await app.opened();
    expect(await ask(later, 'echo', 1)).toEqual({ event: 'echo', data: 1 });
    expect(begun).toEqual([0]);
  });

  it('gives a pause of the app’s own back to the app only', async () => {
    const { GatedGateway, release, begun } = gatedGateway();
    const app = await TestApp.start({ gateways: [GatedGateway], options: { limits: { maxInFlight: 1 } } });
    const client = await app.opened();
    const [socket] = app.app.get(GatedGateway).sockets;
    client.socket.cork();
    client.sendEvent('pause');
    client.sendEvent('work', 1);
    client.socket.uncork();
    await until(() => release.length === 1);
    release[0]!();
    await until(() => release.length === 2);
    release[1]!();
    await answers(client, 1);
    client.sendEvent('echo', 'after the pause');
    // Were it read, its answer would be here before that of a client that comes later.
    const other = await app.opened();
    await ask(other, 'echo', 1);
    await ask(other, 'echo', 2);
    expect(begun).toEqual([1]);
    expect(socket!.isPaused).toBe(true);
    expect(client.messages).toHaveLength(1);
    socket!.resume();
    expect(await answers(client, 2)).toContainEqual({ event: 'echo', data: 'after the pause' });
  });
});
