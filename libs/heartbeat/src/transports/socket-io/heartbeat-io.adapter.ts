import type { Server as HttpServer } from 'node:http';

import type { INestApplicationContext, WsMessageHandler } from '@nestjs/common';
import { AbstractWsAdapter } from '@nestjs/websockets';
import type { Observable } from 'rxjs';
import type { Namespace, Server, ServerOptions, Socket } from 'socket.io';

import { guarded } from '../../connection/lifetime.js';
import { InboundService } from '../../flow/inbound.service.js';
import type { NodeState } from '../../node/node-state.js';
import { installIn } from '../node-of.js';
import { assertAdapterArguments } from '../ws/adapter-arguments.js';
import { GatewayInspector } from '../ws/gateway-inspector.js';
import { HttpPorts } from '../ws/http-ports.js';
import { limitHandlerLog } from '../ws/nest-handler-log.js';
import { MessageHandlers } from './message-handlers.js';
import { socketIo } from './socket-io-package.js';
import { trackSocketIo } from './track-socket-io.js';

/** The options of Socket.IO that a gateway's decorator may give, with two that {@link HeartbeatIoAdapter.create} reads. */
export interface IoServerOptions extends Partial<ServerOptions> {
  /** The namespace of the gateway, or a pattern of namespaces. Default: the namespace `/`. */
  readonly namespace?: string | RegExp;
  /** The server that Nest has created for an earlier gateway of this port and path. Default: a new one is created. */
  readonly server?: Server;
}

/** The number that Nest uses for the app's own HTTP port. */
const APP_PORT = 0;

/**
 * Replaces Nest's `IoAdapter`: `app.useWebSocketAdapter(new HeartbeatIoAdapter(app))`. Gateways work as with `IoAdapter`. A subclass may override
 * `createIOServer`, for example to install an adapter of Socket.IO.
 */
export class HeartbeatIoAdapter extends AbstractWsAdapter {
  readonly #app: INestApplicationContext;
  readonly #node: NodeState;
  readonly #inspector: GatewayInspector;
  readonly #httpPorts: HttpPorts;
  readonly #handlers: MessageHandlers;
  readonly #unlimitHandlerLog: () => void;
  readonly #options: Partial<ServerOptions>;
  readonly #failed = (what: string, error: unknown) => this.#node.codeFailed(what, error);

  /**
   * @param options Options of Socket.IO for all of its servers; those of a gateway's decorator override them.
   * @throws HeartbeatError `HEARTBEAT_MODULE_MISSING` without `HeartbeatModule`, `HEARTBEAT_BAD_OPTIONS` for a wrong argument.
   */
  constructor(app: INestApplicationContext, options: Partial<ServerOptions> = {}) {
    assertAdapterArguments(app, options, 'HeartbeatIoAdapter');
    super(app);
    this.#app = app;
    this.#node = installIn(app, 'HeartbeatIoAdapter');
    this.#options = options;
    this.#inspector = app.get(GatewayInspector, { strict: false });
    this.#httpPorts = app.get(HttpPorts, { strict: false });
    this.#unlimitHandlerLog = limitHandlerLog(this.#node.log);
    this.#handlers = new MessageHandlers(
      app.get(InboundService, { strict: false }),
      this.#node.options.limits.maxStreams,
      this.#failed,
    );
  }

  /**
   * Creates the server of a gateway, which is tracked; called by Nest. Gateways of the same port and path share one.
   * @param port The gateway's port; 0 for that of the application.
   * @returns The server, or the gateway's namespace of it.
   * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for an option that cannot be supported: `allowEIO3`, WebTransport, `wsEngine`.
   */
  create(port: number, options: IoServerOptions = {}): Server | Namespace {
    this.#inspector.guardHooks();
    const { namespace, server: known, ...given } = options;
    if (known !== undefined && namespace !== undefined) return known.of(namespace);
    const server = this.createIOServer(port, given as ServerOptions);
    trackSocketIo(this.#app, server);
    const httpServer = server.httpServer as HttpServer;
    if (port !== APP_PORT || httpServer !== this.httpServer) this.#inspector.awaitListening(port, httpServer);
    return namespace === undefined ? server : server.of(namespace);
  }

  /**
   * Creates the server of a port, as the method of this name of Nest's `IoAdapter` does. By default it does not end upgrades to other paths,
   * which this library answers.
   */
  createIOServer(port: number, options?: ServerOptions): Server {
    const all = { destroyUpgrade: false, ...this.#options, ...options };
    return new socketIo.Server(this.httpServer && port === APP_PORT ? this.httpServer : port, all);
  }

  /** Calls `callback` for each new client. Errors of the gateway's `handleConnection` are logged and do not affect the connection. */
  override bindClientConnect(server: Server | Namespace, callback: (...args: unknown[]) => void): void {
    server.on('connection', (socket: Socket) => guarded(() => callback(socket), 'handleConnection', this.#failed));
  }

  /** Calls `callback` with the reason when a client has left. Errors of the gateway's `handleDisconnect` are logged. */
  override bindClientDisconnect(client: Socket, callback: (reason: string) => void): void {
    client.once('disconnect', reason => guarded(() => callback(reason), 'handleDisconnect', this.#failed));
  }

  /**
   * Calls the gateways' handlers for the events of a client, and answers with their results, as `IoAdapter` does. Errors are logged and do not
   * affect the connection.
   */
  override bindMessageHandlers(
    client: Socket,
    handlers: WsMessageHandler[],
    transform: (data: unknown) => Observable<unknown>,
  ): void {
    this.#handlers.bind(client, handlers, transform);
  }

  /** Closes a server of a gateway and its clients; called by Nest after the drain. A server on a port of its own is closed with it. */
  override async close(server: Server | Namespace): Promise<void> {
    if (!('engine' in server)) return;
    const httpServer = server.httpServer as HttpServer;
    const isOwn = httpServer !== this.httpServer;
    if (this.forceCloseConnections && !isOwn) return;
    const closed = server.close();
    // Kept connections without a request would hold the end for the time of their keep-alive.
    httpServer.closeIdleConnections();
    if (isOwn) httpServer.closeAllConnections();
    await closed;
  }

  /** Ends the registrations on HTTP servers; called by Nest at the end of the application. */
  override async dispose(): Promise<void> {
    this.#unlimitHandlerLog();
    await this.#httpPorts.close();
  }
}
