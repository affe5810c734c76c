import type { EventEmitter } from 'node:events';

import { HeartbeatError } from '../../base/heartbeat.error.js';
import type { Connection } from '../../connection/connection.js';
import { failLater } from '../../connection/dropped.js';
import type { TrackedTransport } from '../../connection/ports.js';
import type { SharedMessage } from '../../connection/shared-message.js';
import type { PollingState, Sent, TransportKind } from '../../connection/transport.js';
import { mayReconnect } from '../../protocol/close-code.js';
import { notOpen } from '../ws/ws-message.js';
import type { EngineSession, EngineTransport } from './engine-fields.js';
import { EngineSocket, type SocketSession } from './engine-socket.js';
import { PacketParts } from './packet-parts.js';
import { SentCallbacks } from './sent-callbacks.js';
import type { SessionHooks } from './session-hooks.js';
import { SessionNamespaces } from './session-namespaces.js';
import { SessionNetwork } from './session-network.js';
import { sharedEvent } from './shared-event.js';

const KIND: TransportKind = Object.freeze({
  name: 'socket.io',
  inBroadcasts: true,
  sentCode: (code: number) => code,
  // Its clients end a connection on which the server sends no ping, whatever else it sends.
  isAlwaysPinged: true,
  // A missing packet would split a message with binary values.
  mayDrop: false,
});
const CLOSED = 3;

/** One session of engine.io as a transport: HTTP polling, WebSocket, or one after the other. */
export class IoSession implements TrackedTransport, SocketSession {
  readonly network = new SessionNetwork();
  readonly namespaces = new SessionNamespaces();
  readonly parts = new PacketParts();
  #connection: Connection | undefined = undefined;
  /** Bytes that wait in engine.io. */
  #queuedBytes = 0;
  #isWriting = false;
  #heldBack = false;
  #unsent: SentCallbacks | null = null;

  constructor(
    readonly session: EngineSession,
    private readonly hooks: SessionHooks,
  ) {
    this.adopt(session.transport);
    // The heartbeat service pings instead. Without these timers no stall of the server ends a session.
    for (const timer of ['pingIntervalTimer', 'pingTimeoutTimer'] as const) {
      clearTimeout(session[timer] ?? undefined);
      session[timer] = null;
    }
  }

  get kind(): TransportKind {
    return KIND;
  }
  get tracked(): Connection | undefined {
    return this.#connection;
  }
  get isOpen(): boolean {
    return this.session.readyState === 'open' && this.namespaces.target !== undefined;
  }
  get isClosed(): boolean {
    return this.session.readyState === 'closed';
  }
  get isHalted(): boolean {
    return this.network.isHalted;
  }
  get polling(): PollingState | undefined {
    return this.network.polling;
  }
  get bytesRead(): number {
    return this.network.bytesRead;
  }
  get bytesTaken(): number {
    return this.network.bytesTaken;
  }
  get bytesGiven(): number {
    return this.network.bytesGiven;
  }
  get bytesWaiting(): number {
    return this.#queuedBytes + this.network.bytesWaiting;
  }
  get hasIncompleteMessage(): boolean {
    return this.network.hasIncompleteMessage;
  }
  get emitters(): readonly EventEmitter[] {
    const { socket } = this.network;
    return socket === null ? [this.session] : [this.session, socket];
  }
  /** Whether the packets that are created now are those of a message which the connection has counted. */
  get isWriting(): boolean {
    return this.#isWriting;
  }

  track(connection: Connection): void {
    this.#connection = connection;
  }

  /** The session uses this transport from now on. */
  adopt(transport: EngineTransport): void {
    const { socket } = transport;
    if (transport.name === 'polling') transport.closeTimeout = this.hooks.engineCloseMs;
    if (!(socket instanceof EngineSocket)) return;
    this.network.upgraded(socket);
    this.hooks.upgraded(socket.network);
    socket.session = this;
    if (this.#heldBack) socket.pause();
  }

  /** The client pinged the WebSocket. */
  pinged(): void {
    if (this.#connection) this.hooks.pinged(this.#connection);
  }

  socketFailed(error: NodeJS.ErrnoException): void {
    if (this.#connection) this.hooks.socketFailed(this.#connection, error);
  }

  /** A packet was given to engine.io. */
  queued(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  /** engine.io has given all packets to its transport. */
  flushed(): void {
    this.#queuedBytes = 0;
  }

  /** The session has ended. */
  ended(): void {
    this.hooks.closing.delete(this);
    this.#unsent?.fail();
  }

  /** Nest keeps the last client of each gateway, which must not reference the connection and its state. */
  forget(): void {
    this.#connection = undefined;
    this.namespaces.forget();
  }

  ping(): void {
    this.session.sendPacket('ping');
  }

  /** Its clients need pings also while they are not read. */
  probe(): void {
    this.ping();
  }

  write(data: unknown, _options?: object | null, sent?: Sent): void {
    const { target } = this.namespaces;
    if (this.session.readyState !== 'open') return failLater(sent, () => notOpen(CLOSED));
    if (target === undefined) return failLater(sent, notJoined);
    this.#whileWriting(() => target.emit('message', data));
    if (sent) (this.#unsent ??= new SentCallbacks()).add(this.session, sent);
  }

  writeShared(message: SharedMessage): void {
    const target = this.namespaces.target!;
    if (this.hooks.keepsEvents) {
      const data = message.isBinary ? message.payload : message.payload.toString();
      return this.#whileWriting(() => target.emit('message', data));
    }
    const { packets, options } = sharedEvent(message, target.nsp.name, this.hooks.encoder);
    this.#whileWriting(() => packets.forEach(packet => this.session.write(packet, options)));
  }

  /**
   * A client reconnects by itself after the end of its transport, and not after a packet that ends each of its namespaces. All packets
   * are written before the close. Only a WebSocket has a code.
   */
  shut(code: number, reason: string): void {
    if (!mayReconnect(code)) this.#endNamespaces(code, reason);
    if (this.network.socket === null) return this.#shutPolling();
    this.session.readyState = 'closing';
    // A limit may be reached while engine.io creates a packet, which it still writes.
    process.nextTick(() => this.#shutSocket(code, reason));
  }

  destroy(): void {
    if (this.network.socket === null) {
      const { transport } = this.session;
      if (transport.shouldClose) transport.shouldClose();
      else this.session.close(true);
    }
    this.network.destroy();
  }

  /** A request of a polling client is read to its end, whose size engine.io limits. */
  holdBack(): void {
    this.#heldBack = true;
    this.network.socket?.pause();
  }

  letGo(): void {
    this.#heldBack = false;
    this.network.socket?.resume();
  }

  /** Each message is one write already. */
  cork(): void {}
  uncork(): void {}

  #whileWriting(write: () => unknown): void {
    this.#isWriting = true;
    try {
      write();
    } finally {
      this.#isWriting = false;
    }
  }

  #endNamespaces(code: number, reason: string): void {
    const { encoder, failed } = this.hooks;
    const data = { message: reason, data: { code, reason } };
    this.#whileWriting(() => this.namespaces.end(this.session, encoder, data, failed));
  }

  #shutPolling(): void {
    this.session.close();
    if (!this.isClosed) this.hooks.closing.add(this);
  }

  #shutSocket(code: number, reason: string): void {
    if (this.isClosed) return;
    this.session.transport.writable = true;
    this.session.flush();
    this.network.socket?.shut(code, reason);
  }
}

function notJoined(): HeartbeatError {
  return new HeartbeatError(
    'HEARTBEAT_MESSAGE_DROPPED',
    'the message was not sent: the client has joined no namespace',
  );
}
