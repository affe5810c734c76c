import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import type { INestApplicationContext, WsMessageHandler } from '@nestjs/common';
import { AbstractWsAdapter } from '@nestjs/websockets';
import type { WebSocket } from 'ws';

import { type Admitted, AdmissionService } from '../admission/admission.service.js';
import { closeCodeOf, type Refusal, refusals } from '../admission/refusal.js';
import { closeReason } from '../close-code.js';
import { guarded } from '../connection/lifetime.js';
import { NodeState } from '../connection/node-state.js';
import type { MessageHandler, SocketListeners, TrackedSocket } from '../connection/tracked-socket.js';
import { HeartbeatError } from '../heartbeat.error.js';
import { GatewayInspector } from './gateway-inspector.js';
import { HeartbeatGateway } from './heartbeat.gateway.js';
import type { MessageParser } from './message-dispatcher.js';
import { type GatewayServerOptions, pathOf, PathServer } from './path-server.js';
import { RefusedClients } from './refused-clients.js';
import type { RoutingTable } from './routing-table.js';
import { TcpTuning } from './tcp-tuning.js';
import { answerRefusal, answerUpgrade } from './upgrade-answer.js';
import { askVerifyClient, type VerifyClient } from './verify-client.js';

/** What Node's `upgrade` event brings. */
interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Whether it was let in or refused: the socket's errors are then heard by `ws`, or by the answer. */
  isSettled: boolean;
}

/** A listening HTTP server and what it serves. */
interface Port {
  readonly server: Server;
  /** Whether this adapter made it, and so has to close it. */
  readonly own: boolean;
  readonly paths: Map<string, PathServer>;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly leave: () => void;
}

/** The app's own HTTP port, as Nest numbers it. */
const APP_PORT = 0;

/**
 * The adapter to put in the place of Nest's `WsAdapter`: `app.useWebSocketAdapter(new HeartbeatWsAdapter(app))`. It only
 * translates: upgrades to admission, sockets to the gateway, messages to the dispatcher.
 */
export class HeartbeatWsAdapter extends AbstractWsAdapter {
  readonly #failed = (what: string, error: unknown) => this.#node.log.error(`${what} failed`, `${what} failed`, error);
  readonly #ports = new Map<number, Port>();
  readonly #node: NodeState;
  readonly #admission: AdmissionService;
  readonly #gateway: HeartbeatGateway;
  readonly #inspector: GatewayInspector;
  readonly #listeners: SocketListeners;
  readonly #refused = new RefusedClients();
  readonly #tcp: TcpTuning;
  #parser: MessageParser | undefined;

  /** @throws HeartbeatError `HEARTBEAT_MODULE_MISSING` if the app does not import `HeartbeatModule`. */
  constructor(app: INestApplicationContext, { messageParser }: { messageParser?: MessageParser } = {}) {
    super(app);
    try {
      this.#node = app.get(NodeState, { strict: false });
    } catch {
      const remedy = 'add HeartbeatModule.forRoot() to the imports of your root module';
      throw new HeartbeatError('HEARTBEAT_MODULE_MISSING', `HeartbeatWsAdapter needs HeartbeatModule: ${remedy}`);
    }
    this.#tcp = new TcpTuning(this.#node.options.tcp);
    this.#admission = app.get(AdmissionService, { strict: false });
    this.#gateway = app.get(HeartbeatGateway, { strict: false });
    this.#inspector = app.get(GatewayInspector, { strict: false });
    this.#parser = messageParser;
    this.#listeners = this.#gateway.listeners(() => this.#parser);
    this.#node.adapterInstalled = true;
    // A gateway on a port of its own is reachable before the last bootstrap hook has run, and Nest tells nobody when it has.
    // Asked at each upgrade, and the app answers through a proxy: what is true stays true.
    let isInitialized = false;
    this.#node.isAppInitialized = () => (isInitialized ||= (app as { isInitialized?: boolean }).isInitialized ?? true);
  }

  /** Replaces the message parser, as `WsAdapter`'s method of this name does. */
  setMessageParser(parser: MessageParser): void {
    this.#parser = parser;
  }

  create(port: number, { namespace, ...options }: GatewayServerOptions = {}): PathServer {
    if (namespace !== undefined)
      throw new Error('HeartbeatWsAdapter has no namespaces: give the gateway a path of its own');
    this.#inspector.guardHooks();
    const { paths } = this.#port(port);
    const server = new PathServer(this.#node.options, options);
    server.on('error', error => this.#failed(`the server of ${server.path}`, error));
    server.on('wsClientError', (error, socket, request) => {
      const refusal = refusals.badUpgrade(error.message);
      this.#admission.refused(request, refusal);
      answerRefusal(socket, refusal);
    });
    paths.set(server.path, server);
    this.#node.socketSets.push(server.clients as Set<TrackedSocket>);
    return server;
  }

  /** Nest hears of a new client after its connection was made; what its handlers throw stays with them. */
  override bindClientConnect(server: PathServer, callback: (...args: unknown[]) => void): void {
    server.on('connection', (socket, request) => {
      guarded(() => callback(socket, request), 'handleConnection', this.#failed);
    });
  }

  /** Keeps Nest's bound handlers with the socket; its own pipeline for answers is not needed. */
  override bindMessageHandlers(client: TrackedSocket, handlers: WsMessageHandler[]): void {
    const table = client.routes as RoutingTable;
    const before = client.handlers.length;
    handlers.forEach(({ message }, index) => table.learn(before + index, message));
    const bound = handlers.map(({ callback }) => callback as MessageHandler);
    // Not spread: an array that grows as it is made keeps room for 17.
    client.handlers = before === 0 ? bound : client.handlers.concat(bound);
  }

  override bindClientDisconnect(client: TrackedSocket, callback: (code: number) => void): void {
    const known = client.disconnectCallbacks;
    client.disconnectCallbacks = known === null ? callback : [known, callback].flat();
  }

  /** After the drain: whoever is left is cut. */
  override async close(server: PathServer): Promise<void> {
    for (const socket of server.clients) socket.terminate();
    await new Promise(resolve => server.close(resolve));
  }

  override async dispose(): Promise<void> {
    for (const { server, own, onUpgrade, leave } of this.#ports.values()) {
      leave();
      // Until it has closed, a server still gets upgrades that were under way: they are refused like all others.
      if (server.listening) server.once('close', () => server.off('upgrade', onUpgrade));
      else server.off('upgrade', onUpgrade);
      if (!own || !server.listening) continue;
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    }
    this.#ports.clear();
  }

  #port(number: number): Port {
    const known = this.#ports.get(number);
    if (known) return known;
    const own = number !== APP_PORT || !this.httpServer;
    const server: Server = own ? createServer(answerPlainRequest) : this.httpServer;
    const paths = new Map<string, PathServer>();
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(paths.get(pathOf(request)), { request, socket, head, isSettled: false });
    };
    server.on('upgrade', onUpgrade);
    const leave = this.#tcp.serve(server);
    if (own) {
      this.#inspector.awaitListening(number, server);
      server.listen(number);
    }
    const port = { server, own, paths, onUpgrade, leave };
    this.#ports.set(number, port);
    return port;
  }

  #upgrade(server: PathServer | undefined, upgrade: Upgrade): void {
    const { request, socket } = upgrade;
    this.#admission.admit(request, socket, server !== undefined, verdict => {
      if ('status' in verdict) return this.#refuse(server, upgrade, verdict);
      if (server?.verifyClient) return this.#verify(server, server.verifyClient, upgrade, verdict);
      if (server) this.#letIn(server, upgrade, verdict);
    });
    // A client that resets while it waits must not end the process.
    if (!upgrade.isSettled) socket.on('error', ignore);
  }

  /** Asks the gateway's own hook. It may take its time, and others may come in meanwhile: the limits are looked at once more. */
  #verify(server: PathServer, verify: VerifyClient, upgrade: Upgrade, admitted: Admitted): void {
    const { request, socket } = upgrade;
    const { handshakeTimeoutMs: timeoutMs } = this.#node.options.limits;
    askVerifyClient({ verify, request, timeoutMs, failed: this.#failed }, answer => {
      if (socket.destroyed) return;
      if (answer === 'timeout') return this.#refuse(server, upgrade, refusals.authenticationTimeout(timeoutMs));
      if (answer !== 'good') {
        const { status, message, headers } = answer;
        this.#admission.refused(request, { status, reason: 'unauthenticated' });
        const body = message || STATUS_CODES[status] || '';
        return this.#settle(upgrade, 'verifyClient', () => answerUpgrade(socket, status, body, headers));
      }
      const refusal = this.#admission.recheck(admitted);
      if (refusal === null) this.#letIn(server, upgrade, admitted);
      else this.#refuse(server, upgrade, refusal);
    });
  }

  #letIn(server: PathServer, upgrade: Upgrade, admitted: Admitted): void {
    this.#shakeHands(server, upgrade, client => {
      upgrade.socket.off('error', ignore);
      const tracked = client as TrackedSocket;
      tracked.routes = server.table;
      this.#tcp.tune(upgrade.request.socket);
      this.#gateway.opened(tracked, { request: upgrade.request, path: server.path, admitted }, this.#listeners);
      admitted.opened?.();
      server.emit('connection', tracked, upgrade.request);
    });
  }

  /** By HTTP, or by a finished upgrade and a close code where the app chose that and the upgrade can be finished at all. */
  #refuse(server: PathServer | undefined, upgrade: Upgrade, refusal: Refusal): void {
    this.#admission.refused(upgrade.request, refusal);
    const byCode = this.#node.options.limits.refuseWith === 'close' && !this.#refused.isFull;
    const code = byCode ? closeCodeOf(refusal) : null;
    if (code === null || server === undefined) {
      return this.#settle(upgrade, 'a refusal', () => answerRefusal(upgrade.socket, refusal));
    }
    const { reason, retryAfterSeconds } = refusal;
    const words = closeReason(reason, retryAfterSeconds && retryAfterSeconds * 1000);
    this.#shakeHands(server, upgrade, client => this.#refused.close(client, code, words));
  }

  #shakeHands(server: PathServer, upgrade: Upgrade, upgraded: (client: WebSocket) => void): void {
    const { request, socket, head } = upgrade;
    this.#settle(upgrade, 'the handshake', () => server.handleUpgrade(request, socket, head, upgraded));
  }

  /** What the app's hooks give or throw on the way costs this client only. */
  #settle(upgrade: Upgrade, what: string, answer: () => void): void {
    guarded(answer, what, (_what, error) => {
      this.#failed(what, error);
      upgrade.socket.destroy();
    });
    upgrade.isSettled = true;
  }
}

/** A gateway's own port serves WebSockets only. */
function answerPlainRequest(_request: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(426, { Connection: 'Upgrade', Upgrade: 'websocket', 'Content-Type': 'text/plain' })
    .end('Upgrade Required');
}

function ignore(): void {}
