import { Logger, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef, ModulesContainer } from '@nestjs/core';

import { HeartbeatError } from '../../base/heartbeat.error.js';
import { DrainService } from '../../drain/drain.service.js';
import { NodeState } from '../../node/node-state.js';
import { ConnectionTracker } from '../ws/connection-tracker.js';
import { graphqlWs, nestGraphqlPath } from './graphql-peers.js';
import { InitDeadlines } from './init-deadlines.js';
import {
  type FastifyLike,
  type GraphQLDriver,
  serversOfDriver,
  serversOfFastify,
  type SubscriptionServer,
} from './subscription-servers.js';

/** The default of graphql-ws for `connectionInitWaitTimeout`. */
const DEFAULT_INIT_MS = 3000;

/**
 * Tracks the subscription servers of all GraphQL modules of the application: `imports: [HeartbeatModule.forRoot(),
 * GraphQLModule.forRoot({ … }), HeartbeatGraphQLModule]`. Supported are the drivers of Apollo and Mercurius. The timers of
 * graphql-ws, two for each socket, are replaced: the keep-alive by the heartbeat of this library, and that of `connectionInitWaitTimeout` by
 * attended time, checked every second.
 */
@Module({})
export class HeartbeatGraphQLModule implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Instances of Fastify, to each of which a plugin may add a server. */
  readonly #instances = new Set<FastifyLike>();
  /** Functions that end the work of every second. */
  readonly #ends: (() => void)[] = [];

  /** @throws HeartbeatError `HEARTBEAT_GRAPHQL_MISSING` where `@nestjs/graphql` is not installed. */
  constructor(
    private readonly modules: ModulesContainer,
    private readonly moduleRef: ModuleRef,
    { httpAdapter }: HttpAdapterHost,
  ) {
    nestGraphqlPath();
    if ((httpAdapter as typeof httpAdapter | undefined)?.getType() !== 'fastify') return;
    const fastify = httpAdapter.getInstance<FastifyLike>();
    this.#instances.add(fastify);
    fastify.addHook('onRegister', instance => void this.#instances.add(instance));
  }

  /**
   * All GraphQL modules have started by now, and no client is admitted yet.
   * @throws HeartbeatError `HEARTBEAT_MODULE_MISSING` without `HeartbeatModule` or without a GraphQL module.
   */
  onApplicationBootstrap(): void {
    const tracker = this.#service(ConnectionTracker);
    const drivers = this.#drivers();
    const servers = [...drivers.flatMap(serversOfDriver), ...serversOfFastify(this.#instances)];
    for (const driver of drivers) this.#stopAfterDrain(driver);
    for (const subscriptions of servers) {
      tracker.track(subscriptions.server, { transport: subscriptions.transport });
      this.#replaceTimers(subscriptions);
    }
    if (servers.length > 0) return;
    const remedy = "set subscriptions: { 'graphql-ws': true } (Apollo) or subscription: true (Mercurius)";
    new Logger('Heartbeat').warn(`HeartbeatGraphQLModule has found no subscription server: ${remedy}`);
  }

  /** Ends the check for clients without `connection_init`. Called by Nest. */
  onApplicationShutdown(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /**
   * graphql-ws arms two timers for each socket, which close healthy clients after a stall of the server. It has no way to turn them off
   * later, so its handler is made anew, without them.
   */
  #replaceTimers({ server, handler }: SubscriptionServer): void {
    if (handler === null) return;
    const { connectionInitWaitTimeout: timeoutMs = DEFAULT_INIT_MS, onConnect } = handler;
    const node = this.#service(NodeState);
    const deadlines = new InitDeadlines(node, timeoutMs);
    const connected: typeof onConnect = context => {
      deadlines.received(context);
      return onConnect?.(context);
    };
    server.removeAllListeners('connection').removeAllListeners('error');
    graphqlWs()({ ...handler, connectionInitWaitTimeout: 0, onConnect: connected }, server, 0);
    if (!(timeoutMs > 0 && Number.isFinite(timeoutMs))) return;
    deadlines.serve(server);
    this.#ends.push(node.seconds.every(() => deadlines.check()));
  }

  /** Drivers close all of their clients at once. They do so after the drain, which has closed them with a delay. */
  #stopAfterDrain(driver: GraphQLDriver): void {
    const drain = this.#service(DrainService);
    const stop = driver.stop.bind(driver);
    driver.stop = async () => {
      await drain.onModuleDestroy();
      await stop();
    };
  }

  #drivers(): GraphQLDriver[] {
    const drivers = [...this.modules.values()]
      .map(
        ({ metatype, providers }) =>
          providers.get(metatype)?.instance as { graphQlAdapter?: GraphQLDriver } | undefined,
      )
      .flatMap(instance => (instance?.graphQlAdapter ? [instance.graphQlAdapter] : []));
    if (drivers.length > 0) return drivers;
    const remedy = 'import GraphQLModule.forRoot({ … }) beside it';
    throw new HeartbeatError(
      'HEARTBEAT_MODULE_MISSING',
      `HeartbeatGraphQLModule has found no GraphQL module: ${remedy}.`,
    );
  }

  #service<Service>(token: new (...given: never[]) => Service): Service {
    try {
      return this.moduleRef.get(token, { strict: false });
    } catch {
      const remedy = 'add HeartbeatModule.forRoot() to the imports of your root module';
      throw new HeartbeatError('HEARTBEAT_MODULE_MISSING', `HeartbeatGraphQLModule needs HeartbeatModule: ${remedy}`);
    }
  }
}
