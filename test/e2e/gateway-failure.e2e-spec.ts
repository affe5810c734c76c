/**
 * User code that fails, in every way that it can: it ends nothing but its own work. An uncaught error would end the
 * process; here it fails the file, as "Test suite failed to run", since jest listens for such.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  Scope,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import {
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import type { TrackedSocket } from 'nestjs-heartbeat';
import { concat, map, type Observable, of, throwError, timer } from 'rxjs';
import { TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

/** A thing that cannot even be printed. */
const UNPRINTABLE = {
  get message(): string {
    throw new Error('a message that throws');
  },
  get stack(): string {
    throw new Error('a stack that throws');
  },
  toString(): string {
    throw new Error('a text that throws');
  },
};

/** Values that application code may throw. */
const THROWN: Readonly<Record<string, unknown>> = {
  'an error': new Error('thrown by the test'),
  'a WsException': new WsException('refused by the test'),
  'a text': 'a text',
  'a number': 42,
  null: null,
  undefined: undefined,
  'a symbol': Symbol('thrown'),
  'an object without a prototype': Object.create(null),
  'an error without a stack': Object.assign(new Error('bare'), { stack: undefined }),
  'what cannot be printed': UNPRINTABLE,
  'a rejected promise': Promise.reject(new Error('thrown inside')),
};
(THROWN['a rejected promise'] as Promise<never>).catch(() => {});

const KINDS = Object.keys(THROWN);

/** The behaviour of the lifecycle hooks of the gateways below. */
let hook: 'nothing' | 'throw' | 'reject' = 'nothing';
let failing = false;
let kind = 'an error';

beforeEach(() => {
  hook = 'nothing';
  failing = false;
});
afterEach(() => TestApp.closeAll());

function failNow(): Promise<void> | void {
  if (hook === 'throw') throw THROWN[kind];
  if (hook === 'reject') return Promise.reject(THROWN[kind]);
}

async function start(...gateways: Type<unknown>[]): Promise<TestApp> {
  return TestApp.start({ gateways });
}

/** Whether this client's messages are still handled: true, or there was no echo in time. */
async function served(client: RawClient): Promise<boolean> {
  const before = client.json.filter(isEcho).length;
  client.sendEvent('echo', before);
  return until(() => client.json.filter(isEcho).length > before, { message: 'the echo' });
}

function isEcho(message: unknown): boolean {
  return (message as { event?: string }).event === 'echo';
}

/** The messages of a client that are no echoes, as `event: message`. */
function complaints(client: RawClient): string[] {
  return client.json
    .filter(message => !isEcho(message))
    .map(message => {
      const { event, data } = message as { event: string; data: { message: string } };
      return `${event}: ${data.message}`;
    });
}

class Echo {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown) {
    return { event: 'echo', data };
  }
}

describe('A message handler', () => {
  @WebSocketGateway({ path: '/ws' })
  class FailingGateway extends Echo {
    @SubscribeMessage('throw')
    throw(@MessageBody() thrown: string): void {
      throw THROWN[thrown];
    }

    @SubscribeMessage('reject')
    async reject(@MessageBody() thrown: string): Promise<void> {
      await timer(1).toPromise();
      throw THROWN[thrown];
    }

    @SubscribeMessage('stream')
    stream(@MessageBody() thrown: string): Observable<unknown> {
      return concat(
        of({ event: 'echo', data: 'before' }),
        throwError(() => THROWN[thrown]),
      );
    }
  }

  describe.each(['throw', 'reject', 'stream'])('that fails by %s', how => {
    it.each(KINDS)('with %s ends nothing', async thrown => {
      const app = await start(FailingGateway);
      const [client, other] = [await app.opened(), await app.opened()];
      client.sendEvent(how, thrown);
      await until(() => complaints(client).length === 1, { message: 'the exception that Nest tells the client of' });
      expect(await served(client)).toBe(true);
      expect(await served(other)).toBe(true);
      expect(app.connections.count).toBe(2);
    });
  });

  it('that answers what JSON cannot hold ends nothing', async () => {
    @WebSocketGateway({ path: '/ws' })
    class BigGateway extends Echo {
      @SubscribeMessage('value')
      value() {
        return { event: 'value', data: 10n };
      }

      @SubscribeMessage('promise')
      async promise() {
        const circle: Record<string, unknown> = {};
        return { event: 'circle', data: Object.assign(circle, { circle }) };
      }

      @SubscribeMessage('stream')
      stream() {
        return timer(1).pipe(map(() => ({ event: 'value', data: 10n })));
      }
    }
    const app = await start(BigGateway);
    const client = await app.opened();
    for (const event of ['value', 'promise', 'stream']) {
      const logged = app.logged('error').length;
      client.sendEvent(event);
      await until(() => app.logged('error').length > logged, { message: `a line about ${event}` });
    }
    expect(await served(client)).toBe(true);
  });
});

describe('handleConnection and handleDisconnect', () => {
  @WebSocketGateway({ path: '/ws' })
  class HookedGateway extends Echo implements OnGatewayConnection, OnGatewayDisconnect {
    handleConnection(): Promise<void> | void {
      return failNow();
    }

    handleDisconnect(): Promise<void> | void {
      return failNow();
    }
  }

  @WebSocketGateway({ path: '/ws' })
  class ArrowGateway extends Echo {
    handleConnection = (): Promise<void> | void => failNow();
    handleDisconnect = async (): Promise<void> => failNow();
  }

  @WebSocketGateway({ path: '/ws' })
  class BaseGateway extends Echo {
    handleConnection(): Promise<void> | void {
      return failNow();
    }

    handleDisconnect(): Promise<void> | void {
      return failNow();
    }
  }

  @WebSocketGateway({ path: '/ws' })
  class InheritingGateway extends BaseGateway {}

  @Injectable({ scope: Scope.REQUEST })
  @WebSocketGateway({ path: '/ws' })
  class ScopedGateway extends Echo {
    handleConnection(): Promise<void> | void {
      return failNow();
    }

    handleDisconnect(): Promise<void> | void {
      return failNow();
    }
  }

  describe.each([
    ['a gateway', HookedGateway],
    ['a gateway that has them as arrow functions', ArrowGateway],
    ['a gateway that inherits them', InheritingGateway],
    ['a request-scoped gateway', ScopedGateway],
  ])('of %s', (_, gateway) => {
    it.each(['throw', 'reject'] as const)('end nothing when they %s, and are logged', async how => {
      const app = await start(gateway);
      const other = await app.opened();
      hook = how;
      kind = 'an error';
      const client = await app.opened();
      await until(() => app.logged('error').some(line => /handleConnection[^]*thrown by the test/.test(line)));
      expect(await served(client)).toBe(true);
      client.close(1000);
      await client.ended;
      await until(() => app.logged('error').some(line => /handleDisconnect[^]*thrown by the test/.test(line)));
      expect(await served(other)).toBe(true);
      expect(app.connections.count).toBe(1);
    });
  });

  it.each(KINDS)('end nothing when they fail with %s', async thrown => {
    const app = await start(HookedGateway);
    const other = await app.opened();
    kind = thrown;
    for (const how of ['throw', 'reject'] as const) {
      hook = how;
      const client = await app.opened();
      expect(await served(client)).toBe(true);
      client.close(1000);
      await client.ended;
      await until(() => app.connections.count === 1);
      expect(await served(other)).toBe(true);
    }
  });

  it('of one gateway leave those of another on the same path alone', async () => {
    const seen: string[] = [];
    @WebSocketGateway({ path: '/ws' })
    class SecondGateway {
      handleConnection(): void {
        seen.push('connected');
      }
      handleDisconnect(): void {
        seen.push('disconnected');
      }
    }
    const app = await start(HookedGateway, SecondGateway);
    hook = 'throw';
    const client = await app.opened();
    await until(() => seen.includes('connected'));
    client.close(1000);
    await until(() => seen.length === 2);
    expect(seen).toEqual(['connected', 'disconnected']);
  });
});

describe('afterInit', () => {
  it.each(['throw', 'reject'] as const)('of a gateway ends nothing when it does %s', async how => {
    @WebSocketGateway({ path: '/ws' })
    class InitGateway extends Echo implements OnGatewayInit {
      afterInit(): Promise<void> | void {
        return failNow();
      }
    }
    hook = how;
    kind = 'an error';
    const app = await start(InitGateway);
    expect(await served(await app.opened())).toBe(true);
  });
});

describe('A request-scoped gateway whose constructor throws', () => {
  @Injectable({ scope: Scope.REQUEST })
  @WebSocketGateway({ path: '/ws' })
  class UnmadeGateway extends Echo {
    constructor() {
      super();
      if (failing) throw new Error('not made');
    }
  }

  it('ends nothing', async () => {
    const app = await start(UnmadeGateway);
    const other = await app.opened();
    expect(await served(other)).toBe(true);
    failing = true;
    const client = await app.opened();
    client.sendEvent('echo', 'unheard');
    await until(() => app.logged('error').length > 0);
    const leaving = await app.opened();
    leaving.close(1000);
    await leaving.ended;
    await until(() => app.connections.count === 2);
    failing = false;
    expect(await served(client)).toBe(true);
    expect(await served(other)).toBe(true);
  });
});

describe('Pipes, guards, interceptors and filters', () => {
  class FailingPipe implements PipeTransform {
    transform(value: string): never {
      throw THROWN[value];
    }
  }

  class RejectingGuard implements CanActivate {
    async canActivate(context: ExecutionContext): Promise<boolean> {
      throw THROWN[context.switchToWs().getData<string>()];
    }
  }

  class FailingInterceptor implements NestInterceptor {
    intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
      const thrown = context.switchToWs().getData<string>();
      return next.handle().pipe(
        map(() => {
          throw THROWN[thrown];
        }),
      );
    }
  }

  @Catch()
  class FailingFilter {
    catch(_exception: unknown, host: ArgumentsHost): void {
      throw THROWN[host.switchToWs().getData<string>()];
    }
  }

  @Catch()
  class LateFilter {
    catch(_exception: unknown, host: ArgumentsHost): void {
      host
        .switchToWs()
        .getClient<TrackedSocket>()
        .send(JSON.stringify({ event: 'exception', data: { message: 'told' } }));
      throw new Error('and then the filter fails');
    }
  }

  @WebSocketGateway({ path: '/ws' })
  class SurroundedGateway extends Echo {
    @UsePipes(FailingPipe)
    @SubscribeMessage('pipe')
    pipe(@MessageBody() data: string) {
      return data;
    }

    @UseGuards(RejectingGuard)
    @SubscribeMessage('guard')
    guard() {
      return 1;
    }

    @UseInterceptors(FailingInterceptor)
    @SubscribeMessage('interceptor')
    interceptor() {
      return 1;
    }

    @UseFilters(FailingFilter)
    @SubscribeMessage('filter')
    filter() {
      throw new Error('for the filter');
    }

    @UseFilters(FailingFilter)
    @SubscribeMessage('stream-filter')
    streamFilter() {
      return concat(
        timer(1).pipe(map(() => ({ event: 'echo', data: 'before' }))),
        throwError(() => new Error('for the filter')),
      );
    }

    @UseFilters(LateFilter)
    @SubscribeMessage('late-filter')
    lateFilter() {
      throw new Error('for the filter');
    }
  }

  it.each(KINDS)('that fail with %s end nothing', async thrown => {
    const app = await start(SurroundedGateway);
    const client = await app.opened();
    const other = await app.opened();
    for (const event of ['pipe', 'guard', 'interceptor']) {
      const told = complaints(client).length;
      client.sendEvent(event, thrown);
      await until(() => complaints(client).length > told, { message: `the exception of the ${event}` });
    }
    for (const event of ['filter', 'stream-filter']) {
      const logged = app.logged('error').length;
      client.sendEvent(event, thrown);
      await until(() => app.logged('error').length > logged, { message: `a line about the ${event}` });
    }
    client.sendEvent('late-filter');
    await until(() => complaints(client).includes('exception: told'));
    expect(await served(client)).toBe(true);
    expect(await served(other)).toBe(true);
    expect(app.connections.count).toBe(2);
  });
});
