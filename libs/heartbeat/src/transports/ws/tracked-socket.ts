import { errorMonitor } from 'node:events';

import type { Connection } from '../../connection/connection.js';
import { reportDropped } from '../../connection/dropped.js';
import type { Connection as PublicConnection } from '../../connection/public-connection.js';
import type { Sent, TransportKind } from '../../connection/transport.js';
import { closeCall, TERMINATED_BY_APP } from './close-call.js';
import { emitGuarded } from './guarded-emit.js';
import { RawSocket } from './raw-socket.js';
import type { RoutingTable } from './routing-table.js';
import {
  type DisconnectCallback,
  KIND,
  LISTENER_FAILED,
  type MessageHandler,
  type OwnEvent,
  type SocketListeners,
} from './socket-listeners.js';
import { KINDS } from './transport-kinds.js';
import { isClosedByPeer } from './ws-fields.js';
import { type Sendable, type SendOptions, sizeOf } from './ws-message.js';

/**
 * The socket that Nest's gateways receive: that of `ws`, with its connection, and as its transport. `ws` creates it by the public option
 * `WebSocket` of its server, so there is no lookup and no closure for each socket and event. Methods for the application and `ws` (`send`,
 * `close`, `terminate`, `pong`) call the connection; methods for the connection are raw.
 */
export class TrackedSocket extends RawSocket {
  #connection: Connection | undefined = undefined;
  /** @internal Not added as listeners, which would cost each socket five entries in a separate table. */
  ownListeners: SocketListeners | undefined = undefined;
  /** @internal The handlers of all gateways on this path, in the order of the path's routing table. */
  handlers: readonly MessageHandler[] = NO_HANDLERS;
  /** @internal Maps events to handlers; one table for all sockets of a path. */
  routes: RoutingTable | undefined = undefined;
  #pausedByApp = false;
  #heldBack = false;
  /** @internal Nest's callbacks for the end of this socket: one for each gateway on the path, the usual single one without an array. */
  disconnectCallbacks: DisconnectCallback | readonly DisconnectCallback[] | null = null;

  /**
   * The connection of this socket: present in lifecycle hooks, handlers and listeners, from `handleConnection` until `handleDisconnect`
   * has returned. At run time it is `undefined` afterwards, since Nest keeps the last socket of each gateway: code that continues
   * after an `await` keeps the connection (`const { connection } = client`), not the socket.
   */
  get connection(): PublicConnection {
    return this.#connection as PublicConnection;
  }

  /** @internal */
  get tracked(): Connection | undefined {
    return this.#connection;
  }

  /** @internal */
  track(connection: Connection): void {
    this.#connection = connection;
  }

  /** @internal Nest keeps the last socket of each gateway, which must not reference the connection and its state. */
  forget(): void {
    this.#connection = undefined;
  }

  /**
   * Calls the library's own listener first, then those that the app has added. A refused message reaches none of them. An error of the
   * app's listeners is logged and counted, and has no other effect.
   */
  override emit(event: string | symbol, ...given: unknown[]): boolean {
    const own = this.ownListeners?.[event as OwnEvent];
    if (own === undefined) return super.emit(event, ...given);
    if (Reflect.apply(own, this, given) === false) return true;
    const isError = event === 'error';
    // The library's own listener has handled an error, so it is not thrown without a listener of the app.
    if (this.listenerCount(event) === 0 && !(isError && this.listenerCount(errorMonitor) > 0)) return isError;
    const failed = (error: unknown) => this.ownListeners?.[LISTENER_FAILED](String(event), error);
    if (isError) emitGuarded(this, errorMonitor, given, failed);
    return emitGuarded(this, event, given, failed) || isError;
  }

  /**
   * Sends a message, as `ws` does, unless too much is waiting. Also counts it when the app calls it directly. After the end it fails like
   * in `ws`, without its count: `ws` would show the bytes as waiting forever.
   */
  override send(data: Sendable, options?: SendOptions | Sent, sent?: Sent): void {
    const mayGo = !this.isOpen || this.#connection?.admits('message', sizeOf(data)) !== false;
    const callback = typeof options === 'function' ? options : sent;
    if (!mayGo) reportDropped(callback);
    else this.write(data, typeof options === 'function' ? undefined : options, callback);
  }

  /** Sends a pong, as `ws` also does by itself. It counts as waiting, since a flood of pings creates as many. */
  override pong(data?: unknown, mask?: boolean, sent?: (error: Error) => void): void {
    if (this.isOpen) this.#connection?.beforePong();
    super.pong(data, mask, sent);
  }

  /**
   * Begins the closing handshake, as `ws` does, and records which side began it. `ws` also calls it: to answer the peer's close frame,
   * which counts as the peer's close, and for a protocol error (1002, 1007, 1008, 1009), which counts as the server's. No message that
   * arrives later or waits is handled.
   */
  override close(code?: number, reason?: string | Buffer): void {
    const peerClosed = isClosedByPeer(this);
    // The first call after the peer's close frame is the answer of `ws` to it. Any later one is the application's.
    const byPeer = peerClosed && !this.#connection?.closing;
    if (!peerClosed) this.#connection?.catchUp();
    this.flush();
    // Called first, since it throws for a code that cannot be sent, and then no close has begun.
    super.close(code, reason);
    this.#connection?.closeBegun(...closeCall(byPeer ? 'client' : 'server', code, reason));
  }

  /** Destroys the socket at once, as `ws` does, and records the application as the initiator. */
  override terminate(): void {
    this.#connection?.closeBegun({ code: 1006, reason: 'terminated', by: 'server' }, TERMINATED_BY_APP);
    super.terminate();
  }

  /** Stops reading, as `ws` does, until the app calls `resume()`. */
  override pause(): void {
    this.#pausedByApp = true;
    super.pause();
  }

  /** Reads on, as `ws` does, unless it is held back. */
  override resume(): void {
    this.#pausedByApp = false;
    if (this.#connection) this.#connection.mayBurst = true;
    if (!this.#heldBack) super.resume();
  }

  /** @internal */
  get kind(): TransportKind {
    return this.ownListeners?.[KIND] ?? KINDS.ws;
  }

  /** @internal */
  shut(code: number, reason: string): void {
    this.flush();
    super.close(this.kind.sentCode(code), reason);
  }

  /** @internal */
  holdBack(): void {
    this.#heldBack = true;
    super.pause();
  }

  /** @internal */
  letGo(): void {
    this.#heldBack = false;
    if (!this.#pausedByApp) super.resume();
  }
}

const NO_HANDLERS: readonly MessageHandler[] = Object.freeze([]);
