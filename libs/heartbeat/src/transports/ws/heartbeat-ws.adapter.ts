import type { Server } from 'node:http';

import type { INestApplicationContext, WsMessageHandler } from '@nestjs/common';
import { AbstractWsAdapter } from '@nestjs/websockets';
import type { WebSocket } from 'ws';

import { AdmissionService } from '../../admission/admission.service.js';
import type { Admitted } from '../../admission/attempt.js';
import { ClientAddresses } from '../../admission/client-addresses.js';
import { type Refusal, refusals } from '../../admission/refusal.js';
import { guarded } from '../../connection/lifetime.js';
import { NodeState } from '../../node/node-state.js';
import { HeartbeatError } from '../../base/heartbeat.error.js';
import { HeartbeatEvents } from '../../connection/heartbeat.events.js';
import { assertAdapterArguments, assertNoNamespace } from './adapter-arguments.js';
import { GatewayInspector } from './gateway-inspector.js';
import { HeartbeatGateway } from './heartbeat.gateway.js';
import { limitHandlerLog } from './nest-handler-log.js';
import type { MessageParser } from './message-dispatcher.js';
import { HttpPort } from './http-port.js';
import { LostUpgrades } from './lost-upgrades.js';
import { createNodeSockets } from './node-sockets.js';
import { createOwnServer } from './own-server.js';
import { type GatewayServerOptions, pathOf, PathServer } from './path-server.js';
import { gatewayPath } from './path-table.js';
import { RefusedClients } from './refused-clients.js';
import type { MessageHandler, SocketListeners } from './socket-listeners.js';
import { TcpTuning } from './tcp-tuning.js';
import type { TrackedSocket } from './tracked-socket.js';
import { answerAsVerified, answerRefusal } from './upgrade-answer.js';
import { ignoreError, type Upgrade } from './upgrade.js';
import { UpgradeAttempt } from './upgrade-attempt.js';
import { askVerifyClient } from './verify-client.js';

/** The number that Nest uses for the app's own HTTP port. */
const APP_PORT = 0;

/**
 * Replaces Nest's `WsAdapter`: `app.useWebSocketAdapter(new HeartbeatWsAdapter(app))`. It only translates: upgrades to admission, sockets
 * to the gateway, messages to the dispatcher.
 */
export class HeartbeatWsAdapter extends AbstractWsAdapter {
  readonly #ports = new Map<number, HttpPort>();
  /** Functions that undo all registrations at the ports and at the drain. */
  readonly #leave: (() => void)[] = [];
  readonly #node: NodeState;
  readonly #admission: AdmissionService;
  readonly #gateway: HeartbeatGateway;
  readonly #inspector: GatewayInspector;
  readonly #listeners: SocketListeners;
  readonly #refused: RefusedClients;
  readonly #tcp: TcpTuning;
  readonly #lost: LostUpgrades;
  readonly #sockets: ReturnType<typeof createNodeSockets>;
  #parser: MessageParser | undefined;
  readonly #failed = (what: string, error: unknown) => this.#node.codeFailed(what, error);

  /** @throws HeartbeatError `HEARTBEAT_MODULE_MISSING` without `HeartbeatModule`, `HEARTBEAT_BAD_OPTIONS` for a wrong argument. */
  constructor(app: INestApplicationContext, options: { messageParser?: MessageParser } = {}) {
    assertAdapterArguments(app, options);
    super(app);
    try {
      this.#node = app.get(NodeState, { strict: false });
    } catch {
      const remedy = 'add HeartbeatModule.forRoot() to the imports of your root module';
      throw new HeartbeatError('HEARTBEAT_MODULE_MISSING', `HeartbeatWsAdapter needs HeartbeatModule: ${remedy}`);
    }
    this.#lost = new LostUpgrades(this.#node.log);
    this.#tcp = new TcpTuning(this.#node.options.tcp);
    this.#admission = app.get(AdmissionService, { strict: false });
    this.#refused = new RefusedClients(this.#node.options, app.get(ClientAddresses, { strict: false }));
    this.#gateway = app.get(HeartbeatGateway, { strict: false });
    this.#inspector = app.get(GatewayInspector, { strict: false });
    this.#leave.push(limitHandlerLog(this.#node.log));
    this.#parser = options.messageParser;
    this.#listeners = this.#gateway.listeners(() => this.#parser);
    this.#node.application = app;
    this.#sockets = createNodeSockets(app, this.#ports);
    const drains = app.get(HeartbeatEvents, { strict: false }).ofType('drain-started', 'drain-aborted');
    const { deadlineMs } = this.#node.options.drain;
    const draining = drains.subscribe(({ type }) => this.#ports.forEach(port => port.onDrain(type, deadlineMs)));
    this.#leave.push(() => draining.unsubscribe());
  }

  /** Replaces the message parser, like the method of this name of `WsAdapter`. */
  setMessageParser(parser: MessageParser): void {
    this.#parser = parser;
  }

  create(port: number, { namespace, path, ...options }: GatewayServerOptions = {}): PathServer {
    assertNoNamespace(namespace);
    this.#inspector.guardHooks();
    // As with `WsAdapter`, a gateway without a path serves every path of its own port, or `/` of the application's port.
    const servedPath = !path && this.#isOwn(port) ? null : gatewayPath(path ?? '/');
    const { paths } = this.#port(port);
    const server = paths.get(servedPath) ?? this.#createServer(servedPath, options);
    server.takesSlash ||= typeof path === 'string' && path.endsWith('/');
    paths.add(server);
    return server;
  }

  #createServer(path: string | null, options: GatewayServerOptions): PathServer {
    const server = new PathServer(this.#node.options, options, path);
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
    for (const leave of this.#leave.splice(0)) leave();
    this.#sockets.sockets.close();
    await Promise.all([...this.#ports.values()].map(port => port.close()));
    this.#ports.clear();
  }

  #port(number: number): HttpPort {
    const known = this.#ports.get(number);
    if (known) return known;
    const { handshakeTimeoutMs } = this.#node.options.limits;
    const isOwn = this.#isOwn(number);
    const server: Server = isOwn ? createOwnServer(handshakeTimeoutMs) : this.httpServer;
    const port = new HttpPort({
      server,
      isOwn,
      timeoutMs: handshakeTimeoutMs,
      now: () => this.#node.clock.now(),
      sockets: this.#sockets.sockets,
      serve: (served, upgrade) => this.#upgrade(served, upgrade),
    });
    this.#leave.push(this.#tcp.serve(server), this.#sockets.watch(server));
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

  #upgrade(server: PathServer | undefined, upgrade: Upgrade): void {
    const attempt = new UpgradeAttempt(upgrade, server !== undefined);
    this.#admission.admit(attempt, verdict => {
      if (this.#lost.includes(upgrade)) return 'status' in verdict ? undefined : verdict.opened?.();
      if ('status' in verdict) return this.#refuse(server, upgrade, verdict);
      if (server) this.#verify(server, upgrade, attempt, verdict);
    });
    // A client that resets while its upgrade waits must not end the process.
    if (!upgrade.isSettled) upgrade.socket.on('error', ignoreError);
  }

  /** Calls the gateway's own hook, if any. The upgrade holds its slot meanwhile. Conditions that may have changed are checked again. */
  #verify(server: PathServer, upgrade: Upgrade, attempt: UpgradeAttempt, admitted: Admitted): void {
    const { verifyClient: verify } = server;
    if (verify === undefined) return this.#open(server, upgrade, admitted);
    const { handshakeTimeoutMs: timeoutMs } = this.#node.options.limits;
    const release = this.#admission.hold(admitted, attempt);
    askVerifyClient({ verify, request: attempt.request, timeoutMs, failed: this.#failed }, answer => {
      release();
      if (this.#lost.includes(upgrade)) return admitted.opened?.();
      if (answer === 'timeout') return this.#refuse(server, upgrade, this.#admission.timeout());
      if (answer !== 'good') {
        this.#admission.refused(attempt, { status: answer.status, reason: 'unauthenticated' });
        return this.#settle(upgrade, 'verifyClient', () => answerAsVerified(upgrade.socket, answer));
      }
      const refusal = this.#admission.recheck(admitted);
      return refusal ? this.#refuse(server, upgrade, refusal) : this.#open(server, upgrade, admitted);
    });
  }

  #open(server: PathServer, upgrade: Upgrade, admitted: Admitted): void {
    const { request } = upgrade;
    this.#shakeHands(server, upgrade, client => {
      upgrade.socket.off('error', ignoreError);
      const tracked = client as TrackedSocket;
      tracked.routes = server.table;
      this.#sockets.sockets.forget(upgrade.socket);
      this.#tcp.tune(request.socket);
      const path = server.servesEveryPath ? pathOf(request) : server.path;
      this.#gateway.opened(tracked, { request, path, admitted }, this.#listeners);
      admitted.opened?.();
      server.emit('connection', tracked, request);
    });
  }

  /** Refuses by HTTP, or by a finished upgrade and a close code where the app chose that and the upgrade can be finished. */
  #refuse(server: PathServer | undefined, upgrade: Upgrade, refusal: Refusal): void {
    this.#admission.refused(upgrade, refusal);
    const close = this.#refused.closeFor(upgrade.request, refusal);
    if (close === null || server === undefined) {
      return this.#settle(upgrade, 'a refusal', () => answerRefusal(upgrade.socket, refusal));
    }
    this.#shakeHands(server, upgrade, client => this.#refused.close(client, close));
  }

  #shakeHands(server: PathServer, upgrade: Upgrade, upgraded: (client: WebSocket) => void): void {
    const { request, socket, head } = upgrade;
    // `ws` accepts only this value. A list may hold other protocols, which a server may ignore (RFC 9110, section 7.8).
    request.headers.upgrade = 'websocket';
    this.#settle(upgrade, 'the handshake', () => server.handleUpgrade(request, socket, head, upgraded));
  }

  /** A value or an error of the app's hooks affects this client only. */
  #settle(upgrade: Upgrade, what: string, answer: () => void): void {
    guarded(answer, what, (_what, error) => {
      this.#node.codeFailed(what, error);
      upgrade.socket.destroy();
    });
    upgrade.isSettled = true;
  }
}
