import type { IncomingMessage } from 'node:http';

import { Injectable } from '@nestjs/common';

import type { Admitted } from '../../admission/attempt.js';
import { CloseCodes } from '../../protocol/close-code.js';
import type { Connection } from '../../connection/connection.js';
import type { Closing } from '../../connection/connection.types.js';
import { errorNote } from '../../connection/history/flight-note.js';
import { guarded } from '../../connection/lifetime.js';
import { ConnectionService } from '../../connection/connection.service.js';
import { NodeState } from '../../node/node-state.js';
import { BanCheck, type TrackedTransport } from '../../connection/ports.js';
import { InboundService } from '../../flow/inbound.service.js';
import { HeartbeatEvents } from '../../connection/heartbeat.events.js';
import { HeartbeatService } from '../../liveness/heartbeat.service.js';
import type { PathParams } from '../../base/path-params.js';
import type { TransportKind } from '../../connection/transport.js';
import { detachString } from '../../base/detach-string.js';
import { MessageDispatcher, type MessageParser } from './message-dispatcher.js';
import { KIND, LISTENER_FAILED, type SocketListeners } from './socket-listeners.js';
import { StringInterner } from './string-interner.js';
import type { Transport } from '../../connection/transport.js';
import type { TrackedSocket } from './tracked-socket.js';
import { KINDS } from './transport-kinds.js';
import { streamOf } from './ws-fields.js';

/** A completed upgrade. */
export interface Handshake {
  readonly request: IncomingMessage;
  /** Without the query string; one text for all connections of the path. */
  readonly path: string;
  readonly params: PathParams;
  readonly admitted: Admitted;
}

/** A transport that holds its connection from the opening on. */
export interface OpenedTransport extends Transport {
  track(connection: Connection): void;
}

/**
 * The gateway layer: translates events of a socket into calls of `ConnectionService`, `HeartbeatService` and other services. It contains no
 * rule and no counter.
 */
@Injectable()
export class HeartbeatGateway {
  readonly #strings = new StringInterner();

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly heartbeat: HeartbeatService,
    private readonly inbound: InboundService,
    private readonly dispatcher: MessageDispatcher,
    private readonly events: HeartbeatEvents,
    private readonly bans: BanCheck,
  ) {}

  /** The upgrade is complete: the socket becomes a connection. */
  opened(socket: TrackedSocket, handshake: Handshake, listeners: SocketListeners): void {
    socket.attach(handshake.request.socket);
    socket.ownListeners = listeners;
    this.open(socket, handshake);
  }

  /** A client of any transport becomes a connection. */
  open(transport: OpenedTransport, { request, path, params, admitted }: Handshake): void {
    this.heartbeat.wake();
    const userAgent = request.headers['user-agent'];
    const connection = this.connections.open({
      transport,
      path,
      params,
      ip: admitted.ip,
      userAgent: userAgent === undefined ? null : this.#strings.one(shortened(userAgent)),
      identity: admitted.identity,
      deferred: admitted.deferred,
    });
    transport.track(connection);
    this.heartbeat.watch(connection);
    // A connection whose handshake was in progress when admission closed is closed, too.
    if (!this.node.admissionClosed) return;
    const { closeCode: code } = this.node.options.drain;
    const closing: Closing = { code, reason: CloseCodes.goingAway.name, by: 'server' };
    connection.end(closing, { kind: 'drained', reason: null }, this.node.retryAfterMs());
  }

  /** The sockets of a server, which the reaper compares with the registry. The returned function undoes that. */
  serves(sockets: ReadonlySet<TrackedTransport>): () => void {
    const { socketSets } = this.connections;
    socketSets.push(sockets);
    return () => {
      const place = socketSets.indexOf(sockets);
      if (place !== -1) socketSets.splice(place, 1);
    };
  }

  /** One function for each event, shared by all sockets: `this` is the socket. */
  listeners(parser: () => MessageParser | undefined): SocketListeners {
    const { bans, dispatcher, heartbeat, inbound, node } = this;
    const failed = (connection: Connection, error: NodeJS.ErrnoException) => this.failed(connection, error);
    const closed = (socket: TrackedSocket, code: number, reason: string) => this.#closed(socket, code, reason);
    return {
      [KIND]: KINDS.ws,
      message(data, isBinary) {
        const socket = this as TrackedSocket;
        const { tracked: connection } = socket;
        if (connection === undefined) return false;
        bans.closeIfBanned(connection);
        return dispatcher.dispatch(connection, socket, { data: data as Buffer, isBinary }, parser());
      },
      ping() {
        const { tracked: connection } = this as TrackedSocket;
        if (connection) inbound.pinged(connection);
      },
      pong() {
        const { tracked: connection } = this as TrackedSocket;
        if (connection && !heartbeat.ponged(connection)) inbound.pinged(connection);
      },
      error(error) {
        const { tracked: connection } = this as TrackedSocket;
        if (connection) failed(connection, error);
      },
      [LISTENER_FAILED](event, error) {
        node.applicationFailed('listener', error, `a listener of "${event}" on the socket of a client failed`);
      },
      close(code, reason) {
        closed(this as TrackedSocket, code, reason.toString());
      },
      exception(data) {
        this.send(JSON.stringify({ event: 'exception', data }));
      },
    };
  }

  /**
   * The same for the sockets of a server of the application. Its messages are counted and limited, and then are for its own listeners.
   * @param sockets Those that are connections. A socket that has closed is removed, before `left` is called.
   */
  trackedListeners(kind: TransportKind, sockets: Set<TrackedSocket>, left: () => void): SocketListeners {
    const { bans, inbound, node } = this;
    const ended = (socket: TrackedSocket, code: number, reason: string) => this.#ended(socket, code, reason);
    return {
      ...this.listeners(() => undefined),
      [KIND]: kind,
      message() {
        const { tracked: connection } = this as TrackedSocket;
        if (connection === undefined) return false;
        bans.closeIfBanned(connection);
        if (!inbound.admit(connection)) return false;
        connection.countReceived(node.clock.now());
        node.totals.messagesIn++;
        return true;
      },
      // The application's own listeners follow, and find the connection on the socket.
      close(code, reason) {
        const socket = this as TrackedSocket;
        sockets.delete(socket);
        ended(socket, code, reason.toString());
        left();
      },
    };
  }

  /** `ws` has error codes for faults of a peer's frames. Other errors are those of the network. */
  failed(connection: Connection, error: NodeJS.ErrnoException): void {
    const { code } = error;
    connection.note(errorNote(error));
    if (!code?.startsWith('WS_ERR_')) return;
    const reason = code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' ? 'too-big' : 'protocol';
    this.events.announce({ type: 'message-refused', id: connection.id, reason });
  }

  /** Ends the connection of a socket that has closed. `ws` hides errors of the network behind 1006. */
  #ended(socket: TrackedSocket, code: number, reason: string): Connection | undefined {
    const { tracked: connection } = socket;
    if (connection === undefined) return undefined;
    const error = code === CloseCodes.abnormal.code ? streamOf(socket)?.errored : null;
    if (error) connection.note(errorNote(error));
    this.connections.closed(connection, code, reason);
    return connection;
  }

  #closed(socket: TrackedSocket, code: number, reason: string): void {
    const connection = this.#ended(socket, code, reason);
    if (connection === undefined) return;
    const known = socket.disconnectCallbacks ?? [];
    for (const callback of typeof known === 'function' ? [known] : known) {
      guarded(
        () => callback(code),
        'handleDisconnect',
        (what, error) => this.connections.failed(connection, what, error),
      );
    }
    socket.forget();
  }
}

/** Maximum length of a user agent, in characters. */
const MAX_USER_AGENT = 256;

function shortened(userAgent: string): string {
  return userAgent.length <= MAX_USER_AGENT ? userAgent : detachString(userAgent.slice(0, MAX_USER_AGENT));
}
