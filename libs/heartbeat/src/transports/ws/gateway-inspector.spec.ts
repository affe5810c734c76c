import { beforeEach, describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';

import { Logger } from '@nestjs/common';
import type { DiscoveryService, HttpAdapterHost } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { Subject } from 'rxjs';

import { SystemClock } from '../../base/clock.js';
import { NodeState } from '../../node/node-state.js';
import { Totals } from '../../node/totals.js';
import { LimitedLogger } from '../../base/limited-logger.js';
import { HandshakeGuards } from './handshake-guards.decorator.js';
import { GatewayInspector } from './gateway-inspector.js';

Logger.overrideLogger(false);

@WebSocketGateway()
class Chat {
  readonly heard: unknown[] = [];

  handleConnection(...args: unknown[]): void {
    this.heard.push(this, ...args);
    throw new Error('connection');
  }

  handleDisconnect(): Promise<void> {
    return Promise.reject(Object.create(null));
  }
}

@WebSocketGateway({ server: {} } as object)
class Stray {}

@HandshakeGuards({ canActivate: () => true })
@WebSocketGateway({ path: '/guarded' })
class Guarded {}

class NoGateway {
  readonly name = 'none';
}

type Class = new () => object;

/** A provider as Nest's container holds it. */
function provider(metatype: Class, isStatic = true, instance: object = new metatype()) {
  return { metatype, instance, isNotMetatype: false, isDependencyTreeStatic: () => isStatic };
}

describe('GatewayInspector', () => {
  let providers: ReturnType<typeof provider>[];
  let adapterInstalled: boolean;
  let inits: number;
  let httpAdapter: { init(): Promise<void> };
  let inspector: GatewayInspector;

  beforeEach(() => {
    providers = [];
    adapterInstalled = true;
    inits = 0;
    httpAdapter = { init: async () => void inits++ };
    const init$ = new Subject<void>();
    const node = {
      get adapterInstalled() {
        return adapterInstalled;
      },
      log: new LimitedLogger('Heartbeat', new SystemClock()),
      totals: new Totals(),
      applicationFailed: NodeState.prototype.applicationFailed,
    } as NodeState;
    const discovery = { getProviders: () => providers, getControllers: () => [] } as unknown as DiscoveryService;
    inspector = new GatewayInspector(node, discovery, { init$, httpAdapter } as unknown as HttpAdapterHost);
    init$.next();
  });

  describe('at the start', () => {
    it.each<[string, Class[], boolean]>([
      ['without gateways and without the adapter', [NoGateway], false],
      ['with gateways and the adapter', [NoGateway, Chat], true],
    ])('starts an app %s', async (_what, classes, installed) => {
      providers = classes.map(metatype => provider(metatype));
      adapterInstalled = installed;
      await httpAdapter.init();
      expect(inits).toBe(1);
    });

    it('rejects an app with gateways and without the adapter, and shows the line to add', async () => {
      providers = [provider(Chat), provider(NoGateway)];
      adapterInstalled = false;
      await expect(httpAdapter.init()).rejects.toMatchObject({
        code: 'HEARTBEAT_ADAPTER_MISSING',
        message: expect.stringMatching(/\(Chat\)[^]*app\.useWebSocketAdapter\(new HeartbeatWsAdapter\(app\)\);/),
      });
      expect(inits).toBe(0);
    });

    it('rejects an app whose gateways another adapter serves', async () => {
      providers = [provider(Chat)];
      await expect(inspector.onApplicationBootstrap()).rejects.toMatchObject({ code: 'HEARTBEAT_ADAPTER_MISSING' });
      inspector.guardHooks();
      await expect(inspector.onApplicationBootstrap()).resolves.toBeUndefined();
    });

    it('rejects handshake guards that no server runs, with the adapter', async () => {
      providers = [provider(Guarded)];
      inspector.guardHooks();
      await expect(inspector.onApplicationBootstrap()).rejects.toMatchObject({
        code: 'HEARTBEAT_BAD_OPTIONS',
        message: expect.stringContaining('Guarded has @HandshakeGuards() but is not served by HeartbeatWsAdapter'),
      });
      adapterInstalled = false;
      await expect(inspector.onApplicationBootstrap()).resolves.toBeUndefined();
    });

    it('starts an application context, which has no HTTP', async () => {
      const init$ = new Subject<void>();
      const node = { adapterInstalled: false } as NodeState;
      const discovery = { getProviders: () => [provider(Chat)] } as unknown as DiscoveryService;
      const context = new GatewayInspector(node, discovery, { init$ } as unknown as HttpAdapterHost);
      expect(() => init$.next()).not.toThrow();
      await expect(context.onApplicationBootstrap()).resolves.toBeUndefined();
    });

    it('rejects a gateway with its own server', async () => {
      providers = [provider(Chat), provider(Stray)];
      await expect(httpAdapter.init()).rejects.toMatchObject({
        code: 'HEARTBEAT_GATEWAY_UNTRACKED',
        message: expect.stringMatching(/^Stray brings its own \{ server \}/),
      });
    });
  });

  describe('of lifecycle hooks', () => {
    it('keeps their errors from ending the process, and passes their arguments', async () => {
      const chat = new Chat();
      providers = [provider(Chat, true, chat)];
      inspector.guardHooks();
      const call = chat.handleConnection.bind(chat);
      expect(() => call('client', 'request')).not.toThrow();
      expect(() => void chat.handleDisconnect()).not.toThrow();
      await new Promise(resolve => setImmediate(resolve));
      expect(chat.heard).toEqual([chat, 'client', 'request']);
    });

    it('wraps each hook once, also when it is called again', () => {
      const chat = new Chat();
      providers = [provider(Chat, true, chat)];
      inspector.guardHooks();
      const { handleConnection } = chat;
      inspector.guardHooks();
      expect(chat.handleConnection).toBe(handleConnection);
    });

    it('adds no missing hook to a gateway with one instance', () => {
      @WebSocketGateway()
      class Quiet {}
      const quiet = new Quiet();
      providers = [provider(Quiet, true, quiet)];
      inspector.guardHooks();
      expect(Reflect.ownKeys(quiet)).toEqual([]);
    });

    it('wraps the hooks of a request-scoped gateway in its class', () => {
      @WebSocketGateway()
      class Scoped {
        handleConnection(): void {
          throw new Error('scoped');
        }
      }
      providers = [provider(Scoped, false)];
      inspector.guardHooks();
      const made = new Scoped() as Scoped & { handleDisconnect?: () => void };
      expect(() => made.handleConnection()).not.toThrow();
      expect(() => made.handleDisconnect?.()).not.toThrow();
      expect(made.handleDisconnect).toBeDefined();
    });
  });

  describe('of ports', () => {
    it('delays the start until each port is open', async () => {
      const server = new EventEmitter();
      inspector.awaitListening(4000, server as Server);
      let started = false;
      const starting = inspector.onApplicationBootstrap().then(() => (started = true));
      await new Promise(resolve => setImmediate(resolve));
      expect(started).toBe(false);
      server.emit('listening');
      await expect(starting).resolves.toBe(true);
    });

    it('fails the start where a port cannot be opened, with the port in the error', async () => {
      const server = new EventEmitter();
      inspector.awaitListening(4000, server as Server);
      server.emit('error', new Error('EADDRINUSE'));
      await expect(inspector.onApplicationBootstrap()).rejects.toMatchObject({
        code: 'HEARTBEAT_PORT_UNAVAILABLE',
        message: expect.stringMatching(/4000.*EADDRINUSE.*free it/),
      });
    });
  });
});
