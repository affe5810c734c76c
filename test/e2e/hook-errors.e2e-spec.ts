/** Errors of `handleConnection` are handled by the gateway's exception filters, as in Nest's next release (its specs, for `ws`). */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  Inject,
  Injectable,
  Scope,
  type Type,
  UseFilters,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { WebSocketGateway, WsException } from '@nestjs/websockets';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';

afterEach(() => TestApp.closeAll());

@Injectable({ scope: Scope.REQUEST })
class State {
  constructor(@Inject(REQUEST) readonly client: object) {}
}

class Broken extends Error {}

@Catch(Broken)
class BrokenFilter implements ExceptionFilter {
  catch(error: Error, host: ArgumentsHost) {
    const socket = host.switchToWs();
    const text = JSON.stringify({
      filtered: error.message,
      pattern: socket.getPattern(),
      data: socket.getData<unknown>(),
    });
    socket.getClient<{ send(text: string): void }>().send(text);
  }
}

@WebSocketGateway({ path: '/ws' })
class Throws {
  handleConnection() {
    throw new WsException('Unauthorized');
  }
}

@WebSocketGateway({ path: '/ws' })
class Rejects {
  async handleConnection() {
    await Promise.resolve();
    throw new WsException('Unauthorized');
  }
}

@WebSocketGateway({ path: '/ws' })
class ScopedThrows {
  constructor(@Inject(State) readonly state: State) {}

  handleConnection() {
    throw new WsException('Unauthorized');
  }
}

@WebSocketGateway({ path: '/ws' })
class ScopedRejects {
  constructor(@Inject(State) readonly state: State) {}

  async handleConnection() {
    await Promise.resolve();
    throw new WsException('Unauthorized');
  }
}

@WebSocketGateway({ path: '/ws' })
class Unknown {
  handleConnection() {
    throw new Error('secret');
  }
}

@WebSocketGateway({ path: '/ws' })
@UseFilters(BrokenFilter)
class FilteredByClass {
  handleConnection() {
    throw new Broken('class');
  }
}

@WebSocketGateway({ path: '/ws' })
class FilteredByMethod {
  @UseFilters(new BrokenFilter())
  async handleConnection() {
    throw new Broken('method');
  }
}

const unauthorized = {
  event: 'exception',
  data: { status: 'error', message: 'Unauthorized', cause: { pattern: 'handleConnection' } },
};

describe('An error of handleConnection', () => {
  it.each<[string, Type<unknown>, object, boolean]>([
    ['thrown', Throws, unauthorized, false],
    ['rejected with', Rejects, unauthorized, false],
    ['thrown by a request-scoped gateway', ScopedThrows, unauthorized, false],
    ['rejected with by a request-scoped gateway', ScopedRejects, unauthorized, false],
    [
      'that is no WsException',
      Unknown,
      { ...unauthorized, data: { ...unauthorized.data, message: 'Internal server error' } },
      true,
    ],
    ['with a filter of the class', FilteredByClass, { filtered: 'class', pattern: 'handleConnection' }, false],
    ['with a filter of the method', FilteredByMethod, { filtered: 'method', pattern: 'handleConnection' }, false],
  ])('%s reaches the filters, and the client stays', async (_what, gateway, expected, isLogged) => {
    const app = await TestApp.start({ gateways: [gateway], providers: [State] });
    const client = await app.opened();
    await until(() => client.messages.length > 0);
    expect(JSON.parse(String(client.messages[0]?.data))).toEqual(expected);
    expect([app.connections.count, app.logged('error').length > 0]).toEqual([1, isLogged]);
  });
});

describe('An exception filter that fails itself', () => {
  @Catch()
  class Fails implements ExceptionFilter {
    async catch() {
      throw new Error('the filter failed');
    }
  }

  it('is logged, and ends nothing', async () => {
    @WebSocketGateway({ path: '/ws' })
    @UseFilters(Fails)
    class Gateway {
      handleConnection() {
        throw new WsException('Unauthorized');
      }
    }
    const app = await TestApp.start({ gateways: [Gateway] });
    await app.opened();
    await until(() => app.logged('error').some(line => line.includes('the filter failed')));
    expect(app.connections.count).toBe(1);
  });
});

describe('An asynchronous handleDisconnect', () => {
  it('is passed to Nest as a promise, with the errors handled', async () => {
    const done: string[] = [];
    @WebSocketGateway({ path: '/ws' })
    class Slow {
      async handleDisconnect() {
        await new Promise(resolve => setTimeout(resolve, 20));
        done.push('done');
        throw new Error('late');
      }
    }
    const app = await TestApp.start({ gateways: [Slow] });
    const gateway = app.app.get(Slow);
    const returned: unknown = gateway.handleDisconnect();
    expect(returned).toBeInstanceOf(Promise);
    await returned;
    expect(done).toEqual(['done']);
    expect(app.logged('error').some(line => line.includes('handleDisconnect of Slow failed'))).toBe(true);
  });
});
