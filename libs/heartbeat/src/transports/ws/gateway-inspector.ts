import { once } from 'node:events';
import type { Server } from 'node:http';

import { type ExceptionFilter, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, ModuleRef } from '@nestjs/core';

import { NodeState } from '../../node/node-state.js';
import { HeartbeatError } from '../../base/heartbeat.error.js';
import type { GuardedGateway } from './handshake-checks.js';
import { guardedHandshakeOf } from './handshake-guards.decorator.js';
import { type FindFilter, filterHookError } from './hook-filters.js';

/** The metadata keys with which `@nestjs/websockets` marks gateways and stores their options. There is no public name for them. */
const IS_GATEWAY = 'websockets:is_gateway';
const GATEWAY_OPTIONS = 'websockets:gateway_options';

/** The key of a gateway's port. */
const PORT = 'port';

const HOOKS = ['afterInit', 'handleConnection', 'handleDisconnect'] as const;
type Hook = (...args: unknown[]) => unknown;
type Hooked = Partial<Record<(typeof HOOKS)[number], Hook>>;

/** A gateway of the app. */
interface Gateway {
  readonly metatype: new () => Hooked;
  readonly instance: Hooked;
  /** Whether one instance serves all clients. */
  readonly isStatic: boolean;
  readonly findFilter: FindFilter;
  readonly moduleRef: ModuleRef | undefined;
}

/** Checks the app's gateways before the first client is admitted: all are tracked, and none can end the process. */
@Injectable()
export class GatewayInspector implements OnApplicationBootstrap {
  readonly #listening: Promise<void>[] = [];
  /** The gateways whose handshake guards a server runs. */
  readonly #handshakes = new Set<unknown>();
  #guarded = false;

  constructor(
    private readonly node: NodeState,
    private readonly discovery: DiscoveryService,
    host: HttpAdapterHost,
  ) {
    host.init$.subscribe(() => this.#checkBeforeInit(host));
  }

  /** Delays the start until the ports of all gateways are open. */
  async onApplicationBootstrap(): Promise<void> {
    await Promise.all(this.#listening);
    // The adapter's `create` was never called: another adapter serves the gateways.
    if (this.node.adapterInstalled && !this.#guarded && this.#gateways().length > 0) this.#refuseUntracked();
    if (this.node.adapterInstalled) this.#refuseUnguarded();
  }

  /** Fails the start with an error that names the port if `server` cannot open it. */
  awaitListening(port: number, server: Server): void {
    const listening = once(server, 'listening').then(
      () => undefined,
      (error: unknown) => {
        const detail = `the port ${port} of a gateway cannot be opened (${String(error)}): free it, or choose another`;
        throw new HeartbeatError('HEARTBEAT_PORT_UNAVAILABLE', detail);
      },
    );
    // The promise is awaited at the bootstrap, which an earlier error may prevent.
    listening.catch(() => undefined);
    this.#listening.push(listening);
  }

  /**
   * Wraps the lifecycle hooks of all gateways, once. Nest calls them from an RxJS subscription and ignores their results, so an error or
   * rejection of a hook would end the process. Instead it is passed to the gateway's exception filters, as in Nest's next release.
   */
  guardHooks(): void {
    if (this.#guarded) return;
    this.#guarded = true;
    for (const gateway of this.#gateways()) {
      const { metatype, instance, isStatic } = gateway;
      // A request-scoped gateway has an instance for each client, so its hooks are wrapped in the class.
      const target: Hooked = isStatic ? instance : metatype.prototype;
      for (const name of HOOKS) this.#guardHook(target, name, gateway);
    }
  }

  /** The gateways with handshake guards whose port and path `isServed` accepts. */
  guarded(isServed: (port: number, path: string | undefined) => boolean): GuardedGateway[] {
    return this.#gateways().flatMap(({ metatype: gateway, moduleRef }) => {
      const handshake = guardedHandshakeOf(gateway);
      if (handshake === undefined || moduleRef === undefined) return [];
      const { path } = (Reflect.getMetadata(GATEWAY_OPTIONS, gateway) ?? {}) as { readonly path?: string };
      const port = (Reflect.getMetadata(PORT, gateway) ?? 0) as number;
      if (!isServed(port, path)) return [];
      this.#handshakes.add(gateway);
      return [{ ...handshake, gateway, moduleRef }];
    });
  }

  #guardHook(target: Hooked, name: (typeof HOOKS)[number], { metatype, isStatic, findFilter }: Gateway): void {
    const hook = target[name];
    if (isStatic && hook === undefined) return;
    if (hook !== undefined && guardedHooks.has(hook)) return;
    const kind = `${name} of ${metatype.name} failed`;
    const filters = {
      find: findFilter,
      failed: (what: string, error: unknown) =>
        this.node.applicationFailed('hook', error, kind, `${what} for ${name} of ${metatype.name} failed`),
    };
    const failed = (client: unknown, error: unknown) => {
      const given = { gateway: metatype, hook: hook ?? target, name, client };
      if (name !== 'afterInit' && filterHookError(error, given, filters)) return;
      this.node.applicationFailed('hook', error, kind);
    };
    // Nest creates a request-scoped gateway even for a missing hook, and only a wrapped hook catches the errors of its creation. A promise
    // is returned, so that a Nest version that awaits hooks continues after the hook.
    const guard: Hook = function (this: unknown, ...args) {
      try {
        const result = hook?.apply(this, args);
        if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') return result;
        return Promise.resolve(result).catch((error: unknown) => failed(args[0], error));
      } catch (error) {
        failed(args[0], error);
        return undefined;
      }
    };
    guardedHooks.add(guard);
    target[name] = guard;
  }

  /** Runs in the adapter's `init`, the last step before Nest's own check, which would advise to install Socket.IO. */
  #checkBeforeInit({ httpAdapter }: Partial<HttpAdapterHost>): void {
    // An application context has no HTTP adapter.
    if (!httpAdapter) return;
    const init = httpAdapter.init?.bind(httpAdapter);
    httpAdapter.init = async () => {
      this.#check();
      await init?.();
    };
  }

  #check(): void {
    const gateways = this.#gateways();
    if (gateways.length > 0 && !this.node.adapterInstalled) this.#refuseUntracked();
    const untracked = gateways.filter(({ metatype }) => Reflect.getMetadata(GATEWAY_OPTIONS, metatype)?.server);
    if (untracked.length === 0) return;
    const names = untracked.map(({ metatype }) => metatype.name).join(', ');
    throw new HeartbeatError(
      'HEARTBEAT_GATEWAY_UNTRACKED',
      `${names} brings its own { server }, whose sockets would escape tracking: give it a port or a path instead.`,
    );
  }

  /** Handshake guards that would never run: those of a class that is no gateway, or of one that another adapter serves. */
  #refuseUnguarded(): void {
    const classes = [...this.discovery.getProviders(), ...this.discovery.getControllers()].map(
      ({ metatype }) => metatype,
    );
    const wrong = classes.find(metatype => metatype && guardedHandshakeOf(metatype) && !this.#handshakes.has(metatype));
    if (!wrong) return;
    const cause = Reflect.hasMetadata(IS_GATEWAY, wrong) ? 'is not served by HeartbeatWsAdapter' : 'is no gateway';
    throw new HeartbeatError(
      'HEARTBEAT_BAD_OPTIONS',
      `${wrong.name} has @HandshakeGuards() but ${cause}, so that they would never run: use @UseGuards(), or a gateway of HeartbeatWsAdapter.`,
    );
  }

  #refuseUntracked(): never {
    const names = this.#gateways().map(({ metatype }) => metatype.name);
    throw new HeartbeatError(
      'HEARTBEAT_ADAPTER_MISSING',
      `The app has gateways (${names.join(', ')}) but HeartbeatWsAdapter is not installed. ` +
        'Add this line before app.listen() or app.init():\n  app.useWebSocketAdapter(new HeartbeatWsAdapter(app));',
    );
  }

  #gateways(): Gateway[] {
    return this.discovery
      .getProviders()
      .filter(
        ({ metatype, instance, isNotMetatype }) =>
          !isNotMetatype && metatype && instance && Reflect.hasMetadata(IS_GATEWAY, metatype),
      )
      .map(wrapper => ({
        metatype: wrapper.metatype as new () => Hooked,
        instance: wrapper.instance as Hooked,
        isStatic: wrapper.isDependencyTreeStatic(),
        moduleRef: wrapper.host?.providers.get(ModuleRef)?.instance as ModuleRef | undefined,
        findFilter: filter => wrapper.host?.injectables.get(filter)?.instance as ExceptionFilter | undefined,
      }));
  }
}

/** Hooks that are already wrapped: two apps of one process may share a class. */
const guardedHooks = new WeakSet<Hook>();
