import { errorMonitor, type EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

import { WebSocket } from 'ws';

import type { Connection } from '../../connection/connection.js';
import { failLater, reportDropped } from '../../connection/dropped.js';
import type { SharedMessage } from '../../connection/shared-message.js';
import type { Sent, Transport, TransportKind } from '../../connection/transport.js';
import { bytesTaken } from './bytes-taken.js';
import { emitGuarded } from './guarded-emit.js';
import { hasIncompleteMessage } from './incomplete-message.js';
import type { RoutingTable } from './routing-table.js';
import {
  type DisconnectCallback,
  LISTENER_FAILED,
  type MessageHandler,
  type SocketListeners,
} from './socket-listeners.js';
import { noteParts, sharedFrame, takesFrames } from './shared-frame.js';
import { isClosedByPeer } from './ws-fields.js';
import { isPart, notOpen, type Sendable, type SendOptions, sizeOf } from './ws-message.js';

const KIND: TransportKind = Object.freeze({ name: 'ws', closeCodes: 'all', isDispatched: true });

/**
 * The socket that Nest's gateways get: the one of `ws`, which knows its connection and is its transport. It is given to `ws` by the
 * public option `WebSocket` of its server, so that neither a look-up nor a closure for each socket and event is needed. What the
 * application and `ws` call (`send`, `close`, `terminate`, `pong`) enters the connection; what the connection calls is raw.
 */
export class TrackedSocket extends WebSocket implements Transport {
  #connection: Connection | undefined = undefined;
  /** Kept after the end, for the numbers that are recorded then. */
  #network: Socket | undefined = undefined;
  /** @internal Not added as listeners, which would cost each socket five entries in a table of its own. */
  ownListeners: SocketListeners | undefined = undefined;
  /** @internal The handlers of all gateways on this path, in the order of the path's routing table. */
  handlers: readonly MessageHandler[] = NO_HANDLERS;
  /** @internal Which of the handlers take which event: the same table for all sockets of a path. */
  routes: RoutingTable | undefined = undefined;
  #pausedByApp = false;
  #heldBack = false;
  /** @internal What Nest registered for the end of this socket: one for each gateway on the path, the usual single one without an array. */
  disconnectCallbacks: DisconnectCallback | readonly DisconnectCallback[] | null = null;

  /**
   * The connection of this socket: present in lifecycle hooks, handlers and listeners, from `handleConnection` until `handleDisconnect`
   * has returned. At run time it is `undefined` afterwards, since Nest keeps the last socket of each gateway: code that continues
   * after an `await` keeps the connection (`const { connection } = client`), not the socket.
   */
  get connection(): Connection {
    return this.#connection as Connection;
  }

  /** @internal */
  get tracked(): Connection | undefined {
    return this.#connection;
  }

  /** @internal Names the network socket under this one, before the connection is made. */
  attach(network: Socket): void {
    this.#network = network;
  }

  /** @internal */
  track(connection: Connection): void {
    this.#connection = connection;
  }

  /** @internal Nest keeps the last socket of each gateway: that must not hold the connection and all that belongs to it. */
  forget(): void {
    this.#connection = undefined;
  }

  /**
   * Calls our own listener first, then those that the app has added. A message that is refused reaches none of them. What one of the
   * app's throws is logged and counted, and ends nothing.
   */
  override emit(event: string | symbol, ...given: unknown[]): boolean {
    const own = this.ownListeners?.[event as keyof SocketListeners];
    if (own === undefined) return super.emit(event, ...given);
    if (Reflect.apply(own, this, given) === false) return true;
    const isError = event === 'error';
    // Our own listener has taken an error: without one of the app it is no reason to throw.
    if (this.listenerCount(event) === 0 && !(isError && this.listenerCount(errorMonitor) > 0)) return isError;
    const failed = (error: unknown) => this.ownListeners?.[LISTENER_FAILED](String(event), error);
    if (isError) emitGuarded(this, errorMonitor, given, failed);
    return emitGuarded(this, event, given, failed) || isError;
  }

  /**
   * Sends a message, as `ws` does, unless too much is waiting; counts it, also when the app's code calls it directly. After the
   * end it fails as `ws` fails it, without its count: `ws` would show the bytes as waiting for ever.
   */
  override send(data: Sendable, options?: SendOptions | Sent, sent?: Sent): void {
    const mayGo = !this.isOpen || this.#connection?.admits('message', sizeOf(data)) !== false;
    const callback = typeof options === 'function' ? options : sent;
    if (!mayGo) reportDropped(callback);
    else this.write(data, typeof options === 'function' ? undefined : options, callback);
  }

  /** Sends a pong, as `ws` does also by itself; it is counted among what waits, since a flood of pings makes as many. */
  override pong(data?: unknown, mask?: boolean, sent?: (error: Error) => void): void {
    if (this.isOpen) this.#connection?.beforePong();
    super.pong(data, mask, sent);
  }

  /**
   * Begins the closing handshake, as `ws` does, and records which side began it. `ws` calls this too: to answer a peer's close
   * frame, which is the peer's doing, and for a protocol error (1002, 1007, 1008, 1009), which is ours. No message that comes
   * after the call is handled, nor one that waits.
   */
  override close(code?: number, reason?: string | Buffer): void {
    const peerClosed = isClosedByPeer(this);
    // The first call after the peer's close frame is the answer of `ws` to it; any later one is the application's.
    const byPeer = peerClosed && !this.#connection?.closing;
    if (!peerClosed) this.#connection?.catchUp();
    // First, since it throws for what cannot be sent, and then no close has begun.
    super.close(code, reason);
    const by = byPeer ? 'client' : 'server';
    this.#connection?.closeBegun({ code: code ?? 1005, reason: String(reason ?? ''), by });
  }

  /** Destroys the socket at once, as `ws` does, and records that the application did. */
  override terminate(): void {
    this.#connection?.closeBegun({ code: 1006, reason: 'terminated', by: 'server' });
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
    return KIND;
  }

  /** @internal */
  get isOpen(): boolean {
    return this.readyState === WebSocket.OPEN;
  }

  /** @internal */
  get isClosed(): boolean {
    return this.readyState === WebSocket.CLOSED;
  }

  /** @internal */
  get isHalted(): boolean {
    return this.isPaused || this.#network!.isPaused();
  }

  /** @internal */
  get bytesRead(): number {
    return this.#network!.bytesRead;
  }

  /** @internal */
  get bytesTaken(): number {
    return bytesTaken(this.#network!);
  }

  /** @internal */
  get bytesGiven(): number {
    return bytesTaken(this.#network!) + this.#network!.writableLength;
  }

  /** @internal */
  get bytesWaiting(): number {
    return this.bufferedAmount;
  }

  /** @internal */
  get hasIncompleteMessage(): boolean {
    return hasIncompleteMessage(this);
  }

  /** @internal */
  get emitters(): readonly EventEmitter[] {
    return this.#network === undefined ? [this] : [this, this.#network];
  }

  /** @internal */
  probe(): void {
    super.pong();
  }

  /** @internal */
  write(data: unknown, options?: object | null, sent?: Sent | null): void {
    if (!this.isOpen) {
      const { readyState } = this;
      return failLater(sent, () => notOpen(readyState));
    }
    if (isPart(options)) noteParts(this);
    super.send(data as string, options as SendOptions, sent ?? undefined);
  }

  /** @internal It is framed already: one write takes it, where `ws` needs two for a header and a payload. */
  writeShared(message: SharedMessage): void {
    if (takesFrames(this, this.#network)) this.#network!.write(sharedFrame(message));
    else super.send(message.payload, { binary: message.isBinary });
  }

  /** @internal */
  shut(code: number, reason: string): void {
    super.close(code, reason);
  }

  /** @internal */
  destroy(): void {
    super.terminate();
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

  /** @internal */
  cork(): void {
    this.#network!.cork();
  }

  /** @internal */
  uncork(): void {
    this.#network!.uncork();
  }
}

const NO_HANDLERS: readonly MessageHandler[] = Object.freeze([]);
