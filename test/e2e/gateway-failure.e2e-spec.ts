/**
 * Lifecycle hooks of gateways that fail, in every way that they can: they end nothing but their own work. An uncaught error would end
 * the process; here it fails the file, as "Test suite failed to run", since jest listens for such.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope } from '@nestjs/common';
import {
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  WebSocketGateway,
} from '@nestjs/websockets';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';

import { THROWN, KINDS, start, served, Echo } from './thrown-values.js';

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
