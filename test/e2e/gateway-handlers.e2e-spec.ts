/** Handlers of gateways: their answers, what surrounds them in Nest, and how many run at once. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { finalize, interval, map, type Observable, of } from 'rxjs';
import type { TrackedSocket } from 'nestjs-heartbeat';
import { TestApp } from '../support/servers/app.js';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import { until } from '../support/assert/until.js';
import { EchoGateway, answers, ask } from './echo-gateway.js';

afterEach(async () => {
  jest.restoreAllMocks();
  await TestApp.closeAll();
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
