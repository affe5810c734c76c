import type { Server } from 'node:http';

import type { INestApplicationContext, WsMessageHandler } from '@nestjs/common';
import { AbstractWsAdapter } from '@nestjs/websockets';

import { AdmissionService } from '../../admission/admission.service.js';
import { refusals } from '../../admission/refusal.js';
import { guarded } from '../../connection/lifetime.js';
import type { NodeState } from '../../node/node-state.js';
import { installIn } from '../node-of.js';
import { assertAdapterArguments, assertNoNamespace } from './adapter-arguments.js';
import { GatewayInspector } from './gateway-inspector.js';
import { HeartbeatGateway } from './heartbeat.gateway.js';
import { limitHandlerLog } from './nest-handler-log.js';
import type { MessageParser } from './message-dispatcher.js';
import type { HttpPort } from './http-port.js';
import { HttpPorts } from './http-ports.js';
import { createOwnServer } from './own-server.js';
import { type GatewayServerOptions, PathServer } from './path-server.js';
import type { PathPattern } from './path-pattern.js';
import { gatewayPath } from './path-table.js';
import type { MessageHandler, SocketListeners } from './socket-listeners.js';
import type { TrackedSocket } from './tracked-socket.js';
import { answerRefusal } from './upgrade-answer.js';

/** The number that Nest uses for the app's own HTTP port. */
const APP_PORT = 0;

/**
 * Replaces Nest's `WsAdapter`: `app.useWebSocketAdapter(new HeartbeatWsAdapter(app))`. It only translates: upgrades to admission, sockets
 * to the gateway, messages to the dispatcher.
 */
export class HeartbeatWsAdapter extends AbstractWsAdapter {
  readonly #ports = new Map<number, HttpPort>();
  readonly #node: NodeState;
  readonly #admission: AdmissionService;
  readonly #gateway: HeartbeatGateway;
  readonly #inspector: GatewayInspector;
  readonly #listeners: SocketListeners;
  readonly #httpPorts: HttpPorts;
  readonly #unlimitHandlerLog: () => void;
  #parser: MessageParser | undefined;
  readonly #failed = (what: string, error: unknown) => this.#node.codeFailed(what, error);

  /** @throws HeartbeatError `HEARTBEAT_MODULE_MISSING` without `HeartbeatModule`, `HEARTBEAT_BAD_OPTIONS` for a wrong argument. */
  constructor(app: INestApplicationContext, options: { messageParser?: MessageParser } = {}) {
    assertAdapterArguments(app, options);
    super(app);
    this.#node = installIn(app, 'HeartbeatWsAdapter');
    this.#admission = app.get(AdmissionService, { strict: false });
    this.#httpPorts = app.get(HttpPorts, { strict: false });
    this.#gateway = app.get(HeartbeatGateway, { strict: false });
    this.#inspector = app.get(GatewayInspector, { strict: false });
    this.#unlimitHandlerLog = limitHandlerLog(this.#node.log);
    this.#parser = options.messageParser;
    this.#listeners = this.#gateway.listeners(() => this.#parser);
  }

  /** Replaces the message parser, like the method of this name of `WsAdapter`. */
  setMessageParser(parser: MessageParser): void {
    this.#parser = parser;
  }

  create(port: number, { namespace, path, ...options }: GatewayServerOptions = {}): PathServer {
    assertNoNamespace(namespace);
    this.#inspector.guardHooks();
    const servedPath = this.#servedPath(port, path);
    const { paths } = this.#port(port);
    const server = paths.get(servedPath) ?? this.#createServer(servedPath, options);
    server.takesSlash ||= typeof path === 'string' && path.endsWith('/');
    paths.add(server);
    const isServed = (at: number, served?: string) => at === port && paths.get(this.#servedPath(at, served)) === server;
    server.guarded = this.#inspector.guarded(isServed);
    return server;
  }

  /** As with `WsAdapter`, a gateway without a path serves every path of its own port, or `/` of the application's port. */
  #servedPath(port: number, path: string | undefined): string | PathPattern | null {
    return !path && this.#isOwn(port) ? null : gatewayPath(path ?? '/');
  }

  #createServer(path: string | PathPattern | null, options: GatewayServerOptions): PathServer {
    const server = new PathServer(this.#node.options, options, { path, socketListeners: this.#listeners });
    server.failed = this.#failed;
    server.on('error', error => this.#node.codeFailed(`the server of ${server.path}`, error));
    server.on('wsClientError', (error, socket, request) => {
      const refusal = refusals.badUpgrade(error.message);
      this.#admission.refused({ request }, refusal);
      answerRefusal(socket, refusal);
    });
    this.#gateway.serves(server.clients as Set<TrackedSocket>);
    return server;
  }

  /**
   * Nest receives a new client after its connection was created. Errors of Nest's handlers are reported and do not affect the connection.
   */
  override bindClientConnect(server: PathServer, callback: (...args: unknown[]) => void): void {
    server.on('connection', (socket, request) => {
      guarded(() => callback(socket, request), 'handleConnection', this.#failed);
    });
  }

  /** Stores Nest's bound handlers with the socket. Nest's own pipeline for responses is not needed. */
  override bindMessageHandlers(client: TrackedSocket, handlers: WsMessageHandler[]): void {
    const before = client.handlers.length;
    client.routes?.learn(before, handlers);
    const bound = handlers.map(({ callback }) => callback as MessageHandler);
    // `concat`, because an array that grows by a spread keeps capacity for 17 elements.
    client.handlers = before === 0 ? bound : client.handlers.concat(bound);
  }

  override bindClientDisconnect(client: TrackedSocket, callback: (code: number) => void): void {
    const known = client.disconnectCallbacks;
    client.disconnectCallbacks = known === null ? callback : [known, callback].flat();
  }

  /** Runs after the drain: the remaining sockets are terminated. */
  override async close(server: PathServer): Promise<void> {
    for (const socket of server.clients) socket.terminate();
    await new Promise(resolve => server.close(resolve));
  }

  override async dispose(): Promise<void> {
    this.#unlimitHandlerLog();
    this.#ports.clear();
    await this.#httpPorts.close();
  }

  #port(number: number): HttpPort {
    const known = this.#ports.get(number);
    if (known) return known;
    const isOwn = this.#isOwn(number);
    const server: Server = isOwn ? createOwnServer(this.#node.options.limits.handshakeTimeoutMs) : this.httpServer;
    const port = this.#httpPorts.of(server, isOwn);
    if (isOwn) {
      this.#inspector.awaitListening(number, server);
      server.listen(number);
    }
    this.#ports.set(number, port);
    return port;
  }

  #isOwn(port: number): boolean {
    return port !== APP_PORT || !this.httpServer;
  }
}
