import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';

import type { AdmissionService } from '../../admission/admission.service.js';
import type { NodeState } from '../../node/node-state.js';
import type { HttpPorts } from '../ws/http-ports.js';
import type { NodeSockets } from '../ws/node-sockets.js';
import type { RefusedClients } from '../ws/refused-clients.js';
import type { Engine, EngineMiddleware, EngineRequest, EngineSession, SocketIoServer } from './engine-fields.js';
import { applyEngineOptions, assertSupported } from './engine-options.js';
import { type Decision, IoAdmission } from './io-admission.js';
import { queryOf } from './io-attempt.js';
import { originRule } from './io-origins.js';
import { sessionOf } from './session-of.js';

/** The parts of the node and of the Socket.IO server that its engines depend on. */
export interface TrackedEngineParts {
  readonly node: NodeState;
  readonly admission: AdmissionService;
  readonly refused: RefusedClients;
  readonly sockets: NodeSockets;
  readonly ports: HttpPorts;
  readonly server: SocketIoServer;
  /** Whether a session is tracked; without one, whether new sessions are. */
  readonly tracks: (session: EngineSession | undefined) => boolean;
  readonly opened: (session: EngineSession, decision: Decision) => void;
}

/** One engine of a tracked Socket.IO server, on one HTTP server. */
export class TrackedEngine {
  constructor(
    private readonly parts: TrackedEngineParts,
    private readonly engine: Engine,
    private readonly httpServer: HttpServer | undefined,
  ) {
    // engine.io cannot remove a middleware.
    engine.use(this.#requested);
  }

  /** Adds what its sessions need until their end. */
  follow(): void {
    this.engine.on('flush', flushed);
  }

  unfollow(): void {
    this.engine.off('flush', flushed);
  }

  /**
   * Admits new sessions from now on. The returned function ends that.
   * @throws HeartbeatError `HEARTBEAT_BAD_OPTIONS` for an option that cannot be supported.
   */
  serve(): () => void {
    const { engine, httpServer } = this;
    const { node, admission, refused, server, opened } = this.parts;
    const { opts } = engine;
    assertSupported({ allowEIO3: opts.allowEIO3, transports: opts.transports });
    const io = new IoAdmission({
      node,
      admission,
      refused,
      originRule: originRule(opts.cors),
      allowRequest: opts.allowRequest,
    });
    const connected = (session: EngineSession) => {
      const decision = io.take(session.request);
      if (decision !== undefined) opened(session, decision);
    };
    const failed = ({ req }: { readonly req: EngineRequest }) => io.abandoned(req);
    const leavePort = httpServer && this.#servePort(httpServer);
    const restore = applyEngineOptions(engine, server, node.options, io.allowRequest);
    engine.on('connection', connected).on('connection_error', failed);
    return () => {
      engine.off('connection', connected).off('connection_error', failed);
      restore();
      leavePort?.();
    };
  }

  /** Limits the sockets of the HTTP server, and takes upgrades to the path of the engine. */
  #servePort(httpServer: HttpServer): (() => void) | undefined {
    const { path, addTrailingSlash, transports } = this.engine.opts;
    const port = this.parts.ports.of(httpServer);
    if (path === undefined || !transports.includes('websocket')) return undefined;
    const prefix = path.replace(/\/$/, '') + (addTrailingSlash === false ? '' : '/');
    // The upgrade of a session that is not tracked stays one of a guest.
    const serves = ({ url = '' }: IncomingMessage) => url.startsWith(prefix);
    const receive = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.engine.handleUpgrade(request, socket, head);
    const served = { kind: 'engine.io', serves, receive } as const;
    port.tracked.add(served);
    return () => port.tracked.delete(served);
  }

  readonly #requested: EngineMiddleware = (request, response, next) => {
    const { sid } = queryOf(request);
    if (this.#tracks(sid)) {
      // The response to an upgrade is a stand-in without events.
      const isUpgrade = typeof (response as { once?: unknown }).once !== 'function';
      this.parts.sockets.served(request, isUpgrade ? null : response);
      if (!isUpgrade) sessionOf(this.#session(sid))?.network.requested(request, response);
    }
    next();
  };

  #tracks(sid: string | undefined): boolean {
    return this.parts.tracks(this.#session(sid));
  }

  #session(sid: string | undefined): EngineSession | undefined {
    const { clients } = this.engine;
    return sid && Object.hasOwn(clients, sid) ? clients[sid] : undefined;
  }
}

function flushed(session: EngineSession): void {
  sessionOf(session)?.flushed();
}
