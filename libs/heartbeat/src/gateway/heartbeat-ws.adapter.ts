import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Duplex } from 'node:stream';

import { type INestApplicationContext, Logger, type WsMessageHandler } from '@nestjs/common';
import { AbstractWsAdapter } from '@nestjs/websockets';
import { type ServerOptions, WebSocketServer } from 'ws';

import { AdmissionService } from '../admission/admission.service.js';
import { closeCodeOf, type Refusal, refusals } from '../admission/refusal.js';
import { closeReason } from '../close-code.js';
import { guarded } from '../connection/lifetime.js';
import { NodeState } from '../connection/node-state.js';
import { type MessageHandler, TrackedSocket } from '../connection/tracked-socket.js';
import { describeError } from '../describe-error.js';
import { HeartbeatError } from '../heartbeat.error.js';
import { PROBLEM_JSON, problemOf } from '../problem.js';
import { GatewayInspector } from './gateway-inspector.js';
import { HeartbeatGateway, type Listeners, pathOf } from './heartbeat.gateway.js';
import type { MessageParser } from './message-dispatcher.js';
import { RoutingTable } from './routing-table.js';
import { answerRefusal } from './upgrade-answer.js';

/** A server of one path on one port. */
class PathServer extends WebSocketServer {
  readonly table = new RoutingTable();
}

/** The hook of `ws` with which a gateway may say who comes in. */
type VerifyClient = (
  info: { readonly req: IncomingMessage },
  done: (isGood: boolean, status?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => void;

/** A listening HTTP server and what it serves. */
interface Port {
  readonly server: Server;
  /** Whether this adapter made it, and so has to close it. */
  readonly own: boolean;
  readonly paths: Map<string, PathServer>;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** The app's own HTTP port, as Nest numbers it. */
const APP_PORT = 0;

/**
 * How many pieces of a message in the making are held: each costs some 300 bytes beside its content, so a message that comes
 * byte by byte must not be let in whole.
 */
const MIN_CHUNKS = 16_384;
const BYTES_PER_CHUNK = 64;

/** What a gateway's decorator may hold beside `ws`' own options. */
interface GatewayServerOptions {
  readonly path?: string;
  readonly namespace?: string;
  readonly [option: string]: unknown;
}

/**
 * The adapter to put in the place of Nest's `WsAdapter`: `app.useWebSocketAdapter(new HeartbeatWsAdapter(app))`. It only
 * translates: upgrades to admission, sockets to the gateway, messages to the dispatcher.
 */
export class HeartbeatWsAdapter extends AbstractWsAdapter {
  readonly #logger = new Logger('Heartbeat');
  readonly #ports = new Map<number, Port>();
  readonly #node: NodeState;
  readonly #admission: AdmissionService;
  readonly #gateway: HeartbeatGateway;
  readonly #inspector: GatewayInspector;
  readonly #listeners: Listeners;
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
    this.#admission = app.get(AdmissionService, { strict: false });
    this.#gateway = app.get(HeartbeatGateway, { strict: false });
    this.#inspector = app.get(GatewayInspector, { strict: false });
    this.#parser = messageParser;
    this.#listeners = this.#gateway.listeners(() => this.#parser);
    this.#node.adapterInstalled = true;
    // A gateway on a port of its own is reachable before the last bootstrap hook has run, and Nest tells nobody when it has.
    this.#node.isAppInitialized = () => (app as { isInitialized?: boolean }).isInitialized ?? true;
  }

  /** Replaces the message parser, as `WsAdapter`'s method of this name does. */
  setMessageParser(parser: MessageParser): void {
    this.#parser = parser;
  }

  create(port: number, { path, namespace, ...options }: GatewayServerOptions = {}): PathServer {
    if (namespace !== undefined)
      throw new Error('HeartbeatWsAdapter has no namespaces: give the gateway a path of its own');
    this.#inspector.guardHooks();
    const { paths } = this.#port(port);
    const { limits, drain } = this.#node.options;
    const server = new PathServer({
      maxPayload: limits.maxMessageBytes,
      maxFragments: limits.maxFragments,
      maxBufferedChunks: Math.max(MIN_CHUNKS, Math.ceil(limits.maxMessageBytes / BYTES_PER_CHUNK)),
      ...options,
      ...(options['verifyClient'] !== undefined && {
        verifyClient: this.#recheckAfter(options['verifyClient'] as VerifyClient),
      }),
      closeTimeout: drain.closeTimeoutMs,
      clientTracking: true,
      noServer: true,
      WebSocket: TrackedSocket,
    } as ServerOptions);
    server.on('error', error => this.#logger.error(error));
    server.on('wsClientError', (error, socket, request) => {
      const refusal = refusals.badUpgrade(error.message);
      this.#admission.refused(request, refusal);
      answerRefusal(socket, refusal);
    });
    paths.set(normalizePath(path), server);
    this.#node.socketSets.push(server.clients as Set<TrackedSocket>);
    return server;
  }

  /** Nest hears of a new client after its connection was made; what its handlers throw stays with them. */
  override bindClientConnect(server: PathServer, callback: (...args: unknown[]) => void): void {
    server.on('connection', (socket, request) => {
      guarded(
        () => callback(socket, request),
        'handleConnection',
        (what, error) => this.#logger.error(`${what} failed: ${describeError(error)}`),
      );
    });
  }

  /** Keeps Nest's bound handlers with the socket; its own pipeline for answers is not needed. */
  override bindMessageHandlers(client: TrackedSocket, handlers: WsMessageHandler[]): void {
    const table = client.routes as RoutingTable;
    const before = client.handlers.length;
    handlers.forEach(({ message }, index) => table.learn(before + index, message));
    client.handlers = [...client.handlers, ...handlers.map(({ callback }) => callback as MessageHandler)];
  }

  override bindClientDisconnect(client: TrackedSocket, callback: (code: number) => void): void {
    client.disconnectCallbacks = [...client.disconnectCallbacks, callback];
  }

  /** After the drain: whoever is left is cut. */
  override async close(server: PathServer): Promise<void> {
    for (const socket of server.clients) socket.terminate();
    await new Promise(resolve => server.close(resolve));
  }

  override async dispose(): Promise<void> {
    for (const { server, own, onUpgrade } of this.#ports.values()) {
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
      this.#upgrade(paths.get(pathOf(request)), request, socket, head);
    };
    server.on('upgrade', onUpgrade);
    if (own) {
      this.#inspector.awaitListening(number, server);
      server.listen(number);
    }
    const port = { server, own, paths, onUpgrade };
    this.#ports.set(number, port);
    return port;
  }

  /** A gateway's own `verifyClient` may take its time, and others may come in meanwhile: the limits are looked at once more. */
  #recheckAfter(verify: VerifyClient): VerifyClient {
    // `ws` takes what has two parameters for one that calls back.
    if (verify.length < 2) return verify;
    return (info, done) => {
      verify(info, (isGood, ...answer) => {
        const refusal = isGood ? this.#admission.recheck() : null;
        if (refusal === null) return done(isGood, ...answer);
        this.#admission.refused(info.req, refusal);
        const { status, reason, detail, retryAfterSeconds = 1 } = refusal;
        const headers = { 'Content-Type': PROBLEM_JSON, 'Retry-After': String(retryAfterSeconds) };
        done(false, status, JSON.stringify(problemOf(reason, status, detail)), headers);
      });
    };
  }

  #upgrade(server: PathServer | undefined, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A client that resets while its upgrade is under way must not end the process.
    socket.on('error', ignore);
    this.#admission.admit(request, socket, server !== undefined, verdict => {
      if ('status' in verdict) return this.#refuse(server, request, socket, head, verdict);
      server?.handleUpgrade(request, socket, head, client => {
        socket.off('error', ignore);
        const tracked = client as TrackedSocket;
        tracked.routes = server.table;
        this.#gateway.opened(tracked, request, verdict, this.#listeners);
        server.emit('connection', tracked, request);
      });
    });
  }

  /** By HTTP, or by a finished upgrade and a close code where the app chose that and the upgrade can be finished at all. */
  #refuse(
    server: PathServer | undefined,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    refusal: Refusal,
  ): void {
    this.#admission.refused(request, refusal);
    const code = this.#node.options.limits.refuseWith === 'close' ? closeCodeOf(refusal) : null;
    if (code === null || server === undefined) return answerRefusal(socket, refusal);
    server.handleUpgrade(request, socket, head, client => {
      client.on('error', ignore);
      const { reason, retryAfterSeconds } = refusal;
      client.close(code, closeReason(reason, retryAfterSeconds && retryAfterSeconds * 1000));
    });
  }
}

/** A gateway's own port serves WebSockets only. */
function answerPlainRequest(_request: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(426, { Connection: 'Upgrade', Upgrade: 'websocket', 'Content-Type': 'text/plain' })
    .end('Upgrade Required');
}

/** As Nest writes paths: one leading slash, none at the end. */
function normalizePath(path = '/'): string {
  return `/${path}`.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
}

function ignore(): void {}
