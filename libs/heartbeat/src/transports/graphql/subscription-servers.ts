import type { WebSocket, WebSocketServer } from 'ws';

import type { TrackOptions } from '../ws/tracker-arguments.js';

/** Parameters of graphql-ws: those that are replaced, among others that are passed on. */
export interface Handler {
  /** Time for `connection_init`, in milliseconds; 0 or Infinity is off. Default: 3000. */
  readonly connectionInitWaitTimeout?: number;
  readonly onConnect?: (context: { readonly extra: { readonly socket: WebSocket } }) => unknown;
}

/** A subscription server of the application. */
export interface SubscriptionServer {
  readonly server: WebSocketServer;
  readonly transport: NonNullable<TrackOptions['transport']>;
  /** The parameters of graphql-ws, which its handler is made of; null where another library handles the messages. */
  readonly handler: Handler | null;
}

/** A driver of `@nestjs/graphql`: the members that are read and replaced. */
export interface GraphQLDriver {
  stop(): Promise<void>;
  /**
   * Private in `@nestjs/apollo`: there is no public way to the server (docs/decisions/0002). A test fails if it is renamed.
   */
  readonly _subscriptionService?: SubscriptionService | undefined;
}

/** `GqlSubscriptionService` of `@nestjs/graphql`. */
interface SubscriptionService {
  readonly wss?: WebSocketServer;
  /** The server of `subscriptions-transport-ws`, in versions that support it. */
  readonly subTransWs?: WebSocketServer;
  readonly options: Readonly<Record<string, unknown>>;
}

/** An instance of Fastify: `@fastify/websocket` adds its server to it. */
export interface FastifyLike {
  addHook(name: 'onRegister', hook: (instance: FastifyLike) => void): unknown;
  readonly websocketServer?: WebSocketServer;
}

/** The subscription servers of a driver that keeps them itself, which is that of Apollo. */
export function serversOfDriver({ _subscriptionService: service }: GraphQLDriver): SubscriptionServer[] {
  if (service === undefined) return [];
  const { wss, subTransWs, options } = service;
  const servers: SubscriptionServer[] = [];
  if (wss && 'graphql-ws' in options) {
    const given = options['graphql-ws'];
    const { schema, execute, subscribe, context } = options;
    const handler = { schema, execute, subscribe, context, ...(typeof given === 'object' ? given : {}) };
    servers.push({ server: wss, transport: 'graphql-ws', handler: withoutUndefined(handler) });
  }
  // Its clients have other close codes, so they get those of this library.
  if (subTransWs && 'subscriptions-transport-ws' in options)
    servers.push({ server: subTransWs, transport: 'other', handler: null });
  return servers;
}

/** The servers of `@fastify/websocket`, on which Mercurius serves subscriptions. */
export function serversOfFastify(instances: Iterable<FastifyLike>): SubscriptionServer[] {
  const found = new Set<WebSocketServer>();
  for (const { websocketServer } of instances) if (websocketServer) found.add(websocketServer);
  return [...found].map(server => ({ server, transport: 'graphql-ws', handler: null }));
}

function withoutUndefined(options: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
