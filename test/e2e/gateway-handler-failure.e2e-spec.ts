/** Handlers, and what surrounds them, that fail in every way that they can: they end nothing but their own work. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { TrackedSocket } from 'nestjs-heartbeat';
import { concat, map, type Observable, of, throwError, timer } from 'rxjs';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';

import { THROWN, KINDS, start, served, complaints, Echo } from './thrown-values.js';

afterEach(() => TestApp.closeAll());

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
