import type { INestApplicationContext } from '@nestjs/common';

import { AdmissionService } from '../../admission/admission.service.js';
import { ClientAddresses } from '../../admission/client-addresses.js';
import type { Refusal } from '../../admission/refusal.js';
import { NO_PARAMS } from '../../base/path-params.js';
import { ConnectionService } from '../../connection/connection.service.js';
import { BanCheck } from '../../connection/ports.js';
import { InboundService } from '../../flow/inbound.service.js';
import { HeartbeatService } from '../../liveness/heartbeat.service.js';
import { NodeState } from '../../node/node-state.js';
import { HeartbeatGateway } from '../ws/heartbeat.gateway.js';
import { HttpPorts } from '../ws/http-ports.js';
import { NodeSockets } from '../ws/node-sockets.js';
import { pathOf } from '../ws/path-server.js';
import { RefusedClients } from '../ws/refused-clients.js';
import { StringInterner } from '../ws/string-interner.js';
import { CloseDeadlines } from './close-deadlines.js';
import type { Engine, EngineSession, Namespace, NamespaceSocket, SocketIoServer } from './engine-fields.js';
import { assertSupported } from './engine-options.js';
import type { Decision } from './io-admission.js';
import { IoSession } from './io-session.js';
import { RecoveredIdentities } from './recovered-identities.js';
import { refuseSession } from './refused-session.js';
import type { SessionHooks } from './session-hooks.js';
import { sessionListeners, type SessionListeners } from './session-listeners.js';
import { carry, sessionOf } from './session-of.js';
import { TrackedEngine, type TrackedEngineParts } from './tracked-engine.js';

type Admission = Decision & { readonly outcome: 'admitted' };

/** Time that engine.io adds to the close of a session that polls, so that this library ends it first. */
const AFTER_OURS_MS = 5000;

/**
 * One Socket.IO server of the application, whose sessions become connections. It uses options and events of engine.io and Socket.IO, so the
 * application's own listeners, middleware and adapters work as before.
 */
export class TrackedIo {
  readonly #admission: AdmissionService;
  readonly #gateway: HeartbeatGateway;
  readonly #sockets: NodeSockets;
  readonly #refused: RefusedClients;
  readonly #listeners: SessionListeners;
  readonly #hooks: SessionHooks;
  readonly #identities: RecoveredIdentities;
  /** Compared with the registry by the reaper. */
  readonly #sessions = new Set<IoSession>();
  readonly #paths = new StringInterner();
  readonly #engines = new Map<Engine, TrackedEngine>();
  readonly #parts: TrackedEngineParts;
  /** Functions that undo what admits new sessions. */
  readonly #leave: (() => void)[] = [];
  /** Functions that undo what open sessions need. */
  readonly #unfollow: (() => void)[] = [];
  #isOver = true;

  constructor(
    readonly app: INestApplicationContext,
    private readonly server: SocketIoServer,
  ) {
    const get = <T>(token: abstract new (...args: never[]) => T): T => app.get<T>(token, { strict: false });
    const node = get(NodeState);
    this.#admission = get(AdmissionService);
    this.#gateway = get(HeartbeatGateway);
    this.#sockets = get(NodeSockets);
    this.#refused = new RefusedClients(node.options, get(ClientAddresses));
    const inbound = get(InboundService);
    this.#listeners = sessionListeners(
      { node, connections: get(ConnectionService), heartbeat: get(HeartbeatService), inbound, bans: get(BanCheck) },
      { hasOwnParser: server.opts.parser !== undefined, forgotten: transport => this.#forget(transport) },
    );
    const { closeTimeoutMs } = node.options.drain;
    const failed = (what: string, error: unknown) => node.codeFailed(what, error);
    this.#hooks = {
      encoder: server.encoder,
      closing: new CloseDeadlines(closeTimeoutMs, () => node.clock.now(), failed),
      engineCloseMs: closeTimeoutMs + AFTER_OURS_MS,
      keepsEvents: Boolean(server.opts.connectionStateRecovery),
      upgraded: network => this.#sockets.opened(network, network),
      pinged: connection => inbound.pinged(connection),
      socketFailed: (connection, error) => this.#gateway.failed(connection, error),
      failed,
    };
    this.#identities = new RecoveredIdentities(identity => this.#admission.mayReturn(identity));
    this.#parts = {
      node,
      admission: this.#admission,
      refused: this.#refused,
      sockets: this.#sockets,
      ports: get(HttpPorts),
      server,
      tracks: session => (session === undefined ? !this.#isOver : this.#sessions.has(sessionOf(session)!)),
      opened: (session, decision) => this.#opened(session, decision),
    };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for an option of the server that cannot be supported. */
  start(): void {
    const { server } = this;
    assertSupported(server.opts);
    this.#isOver = false;
    try {
      if (this.#unfollow.length === 0) this.#follow();
      for (const engine of this.#engines.values()) this.#leave.push(engine.serve());
      if (server.engine) this.#serveEngine(server.engine);
    } catch (error) {
      this.end();
      throw error;
    }
    // An application may attach its server later, or to several HTTP servers.
    const { bind } = server;
    const isOwn = Object.hasOwn(server, 'bind');
    const tracked = (server.bind = engine => {
      const bound = Reflect.apply(bind, server, [engine]);
      if (!this.#isOver) this.#serveEngine(engine as Engine);
      return bound;
    });
    this.#leave.push(() => {
      if (server.bind !== tracked) return;
      if (isOwn) server.bind = bind;
      else Reflect.deleteProperty(server, 'bind');
    });
  }

  /** Tracks no further session. Those that are open stay tracked. */
  end(): void {
    this.#isOver = true;
    for (const leave of this.#leave.splice(0)) leave();
    this.#endIfUnused();
  }

  #forget(session: IoSession): void {
    this.#sessions.delete(session);
    this.#endIfUnused();
  }

  #endIfUnused(): void {
    if (this.#isOver && this.#sessions.size === 0) for (const undo of this.#unfollow.splice(0)) undo();
  }

  /** Adds what sessions need until their end. */
  #follow(): void {
    const { server } = this;
    const { _nsps: namespaces } = server;
    for (const namespace of namespaces.values()) this.#followNamespace(namespace);
    server.on('new_namespace', this.#followNamespace);
    for (const engine of this.#engines.values()) engine.follow();
    this.#unfollow.push(this.#gateway.serves(this.#sessions), () => {
      server.off('new_namespace', this.#followNamespace);
      for (const namespace of namespaces.values()) namespace.off('connect', this.#joined);
      for (const engine of this.#engines.values()) engine.unfollow();
    });
  }

  readonly #followNamespace = (namespace: Namespace) => {
    // Before the listeners of the application.
    namespace.prependListener('connect', this.#joined);
    if (this.#hooks.keepsEvents) this.#identities.watch(namespace);
  };

  readonly #joined = (socket: NamespaceSocket) => {
    const session = sessionOf(socket.conn);
    if (session === undefined || !this.#sessions.has(session)) return;
    session.namespaces.joined(socket);
    if (this.#hooks.keepsEvents) this.#identities.watch(socket.nsp);
    if (socket.recovered) this.#identities.recovered(socket);
  };

  #serveEngine(engine: Engine): void {
    if (this.#engines.has(engine)) return;
    const tracked = new TrackedEngine(this.#parts, engine, this.server.httpServer);
    this.#engines.set(engine, tracked);
    tracked.follow();
    this.#leave.push(tracked.serve());
  }

  /** Called after Socket.IO has added its listeners, and before any packet of the client is read. */
  #opened(session: EngineSession, decision: Decision): void {
    if (decision.outcome === 'admitted') this.#open(session, decision);
    else this.#refuse(session, decision.refusal);
  }

  #open(session: EngineSession, { admitted, release, response }: Admission): void {
    const transport = new IoSession(session, this.#hooks);
    const { request } = session;
    if (response !== null) transport.network.requested(request, response);
    if (this.#hooks.keepsEvents) this.#identities.watchAll(this.server);
    carry(session, transport);
    this.#sessions.add(transport);
    this.#listen(session);
    release();
    this.#gateway.open(transport, { request, path: this.#paths.one(pathOf(request)), params: NO_PARAMS, admitted });
    admitted.opened?.();
  }

  #listen(session: EngineSession): void {
    const { ended, forgotten, ...others } = this.#listeners;
    for (const [event, listener] of Object.entries(others)) session.on(event, listener);
    // The connection ends before the application's handlers of the disconnect run, which still find it.
    session.prependListener('close', ended).on('close', forgotten);
  }

  #refuse(session: EngineSession, refusal: Refusal): void {
    this.#refused.linger(session.transport.socket!);
    refuseSession(this.server, session, refusal);
  }
}
