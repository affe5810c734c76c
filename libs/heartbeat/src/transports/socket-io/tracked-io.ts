import type { EventEmitter } from 'node:events';

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
import { NodeSockets } from '../ws/node-sockets.js';
import { pathOf } from '../ws/path-server.js';
import { RefusedClients } from '../ws/refused-clients.js';
import { StringInterner } from '../ws/string-interner.js';
import type {
  Engine,
  EngineMiddleware,
  EngineRequest,
  EngineSession,
  Namespace,
  NamespaceSocket,
  SocketIoServer,
} from './engine-fields.js';
import { applyEngineOptions, assertSupported } from './engine-options.js';
import { type Decision, IoAdmission } from './io-admission.js';
import { queryOf } from './io-attempt.js';
import { originRule } from './io-origins.js';
import { IoSession } from './io-session.js';
import { RecoveredIdentities } from './recovered-identities.js';
import { refuseSession } from './refused-session.js';
import type { SessionHooks } from './session-hooks.js';
import { sessionListeners, type SessionListeners } from './session-listeners.js';
import { carry, sessionOf } from './session-of.js';

type Admission = Decision & { readonly outcome: 'admitted' };

/**
 * One Socket.IO server of the application, whose sessions become connections. It uses options and events of engine.io and Socket.IO, so the
 * application's own listeners, middleware and adapters work as before.
 */
export class TrackedIo {
  readonly #node: NodeState;
  readonly #admission: AdmissionService;
  readonly #gateway: HeartbeatGateway;
  readonly #sockets: NodeSockets;
  readonly #refused: RefusedClients;
  readonly #listeners: SessionListeners;
  readonly #hooks: SessionHooks;
  readonly #identities: RecoveredIdentities;
  readonly #namespaces = new Set<Namespace>();
  /** Compared with the registry by the reaper. */
  readonly #sessions = new Set<IoSession>();
  readonly #paths = new StringInterner();
  /** Functions that undo all registrations. */
  readonly #leave: (() => void)[] = [];
  #isOver = false;

  constructor(
    app: INestApplicationContext,
    private readonly server: SocketIoServer,
  ) {
    const get = <T>(token: abstract new (...args: never[]) => T): T => app.get<T>(token, { strict: false });
    const node = (this.#node = get(NodeState));
    this.#admission = get(AdmissionService);
    this.#gateway = get(HeartbeatGateway);
    this.#sockets = get(NodeSockets);
    this.#refused = new RefusedClients(node.options, get(ClientAddresses));
    const inbound = get(InboundService);
    this.#listeners = sessionListeners(
      { node, connections: get(ConnectionService), heartbeat: get(HeartbeatService), inbound, bans: get(BanCheck) },
      { hasOwnParser: server.opts.parser !== undefined, forgotten: transport => this.#sessions.delete(transport) },
    );
    this.#hooks = {
      encoder: server.encoder,
      closeTimeoutMs: node.options.drain.closeTimeoutMs,
      keepsEvents: Boolean(server.opts.connectionStateRecovery),
      pinged: connection => inbound.pinged(connection),
      socketFailed: (connection, error) => this.#gateway.failed(connection, error),
      failed: (what, error) => node.codeFailed(what, error),
    };
    this.#identities = new RecoveredIdentities(identity => this.#admission.mayReturn(identity));
    this.#gateway.serves(this.#sessions);
  }

  /** @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for an option of the server that cannot be supported. */
  start(): void {
    const { server } = this;
    assertSupported(server.opts);
    const { _nsps: namespaces } = server;
    for (const namespace of namespaces.values()) this.#serveNamespace(namespace);
    this.#on(server, 'new_namespace', namespace => this.#serveNamespace(namespace as Namespace));
    if (server.engine !== undefined) this.#serveEngine(server.engine);
    // An application may attach its server later, or to several HTTP servers.
    const bind = server.bind.bind(server);
    server.bind = engine => {
      const bound = bind(engine);
      if (!this.#isOver) this.#serveEngine(engine as Engine);
      return bound;
    };
  }

  /** Tracks no further session. */
  end(): void {
    this.#isOver = true;
    for (const leave of this.#leave.splice(0)) leave();
  }

  #serveEngine(engine: Engine): void {
    const { opts } = engine;
    assertSupported({ allowEIO3: opts.allowEIO3, transports: opts.transports });
    const admission = new IoAdmission({
      node: this.#node,
      admission: this.#admission,
      refused: this.#refused,
      originRule: originRule(opts.cors),
      allowRequest: opts.allowRequest,
    });
    this.#leave.push(applyEngineOptions(engine, this.server, this.#node.options, admission.allowRequest));
    const requested: EngineMiddleware = (request, response, next) => {
      // The response to an upgrade is a stand-in without events.
      const isUpgrade = typeof (response as { once?: unknown }).once !== 'function';
      this.#sockets.served(request, isUpgrade ? null : response);
      const { sid } = queryOf(request);
      if (!isUpgrade && sid && Object.hasOwn(engine.clients, sid)) {
        sessionOf(engine.clients[sid])?.network.requested(request, response);
      }
      next();
    };
    engine.use(requested);
    this.#on(engine, 'connection', session => this.#opened(session as EngineSession, admission));
    this.#on(engine, 'flush', session => sessionOf(session as EngineSession)?.flushed());
    this.#on(engine, 'connection_error', error => admission.abandoned((error as { req: EngineRequest }).req));
  }

  /** Called after Socket.IO has added its listeners, and before any packet of the client is read. */
  #opened(session: EngineSession, admission: IoAdmission): void {
    const decision = admission.take(session.request);
    if (decision?.outcome === 'admitted') this.#open(session, decision);
    else if (decision !== undefined) this.#refuse(session, decision.refusal);
  }

  #open(session: EngineSession, { admitted, release, response }: Admission): void {
    const transport = new IoSession(session, this.#hooks);
    const { request } = session;
    if (response !== null) transport.network.requested(request, response);
    else this.#sockets.opened(request.socket, request.socket);
    if (this.#hooks.keepsEvents) for (const namespace of this.#namespaces) this.#identities.watch(namespace);
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

  #serveNamespace(namespace: Namespace): void {
    this.#namespaces.add(namespace);
    const joined = (socket: NamespaceSocket) => {
      sessionOf(socket.conn)?.joined(socket.client);
      if (socket.recovered) this.#identities.recovered(socket);
    };
    // Before the listeners of the application.
    namespace.prependListener('connect', joined);
    this.#leave.push(() => namespace.off('connect', joined));
  }

  #on(emitter: EventEmitter, event: string, listener: (given: unknown) => void): void {
    emitter.on(event, listener);
    this.#leave.push(() => emitter.off(event, listener));
  }
}
