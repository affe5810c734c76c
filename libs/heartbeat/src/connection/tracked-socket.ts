import { errorMonitor } from 'node:events';
import type { Writable } from 'node:stream';
import { WebSocket } from 'ws';

import { HeartbeatError } from '../base/heartbeat.error.js';
import type { Connection } from './connection.js';
import { emitGuarded } from './guarded-emit.js';
import type { SharedMessage } from './shared-message.js';

/** What `ws` sends: beside its types, nothing is an empty message. */
type Sendable = Parameters<WebSocket['send']>[0] | null | undefined;
type SendOptions = Exclude<Parameters<WebSocket['send']>[1], undefined>;
type Sent = (error?: Error) => void;

/** A message handler of a gateway, bound by Nest to its client: `(data, event) => answer`. */
export type MessageHandler = (data: unknown, event: unknown) => Promise<unknown>;

export type DisconnectCallback = (code: number) => void;

/** No event has this name. */
export const LISTENER_FAILED = Symbol('a listener failed');

/** What is done when something happens to a socket, before the listeners of the app run: the same functions for all sockets. */
export interface SocketListeners {
  /** Returns whether the message is admitted; the listeners of the app get no other. */
  message(this: WebSocket, data: WebSocket.RawData, isBinary: boolean): boolean;
  ping(this: WebSocket): void;
  pong(this: WebSocket): void;
  error(this: WebSocket, error: Error): void;
  close(this: WebSocket, code: number, reason: Buffer): void;
  /** A listener of the app threw, or rejected. */
  [LISTENER_FAILED](event: string, error: unknown): void;
}

/**
 * The socket that Nest's gateways get: `ws`' own, which knows its connection. It goes into `ws` through the public `WebSocket`
 * option of its server, so that no look-up and no closure for each socket and event is needed.
 */
export class TrackedSocket extends WebSocket {
  #connection: Connection | undefined = undefined;
  /** Not added as listeners, which would cost each socket five entries in a table of its own. */
  ownListeners: SocketListeners | undefined = undefined;
  /** The handlers of all gateways on this path, in the order of the path's routing table. */
  handlers: readonly MessageHandler[] = NO_HANDLERS;
  /** Which of the handlers take which event: the same table for all sockets of a path; the gateway layer knows its type. */
  routes: unknown = undefined;
  #pausedByApp = false;
  #heldBack = false;
  /** Whom Nest wants to be told when this socket closes: one for each gateway on the path, the usual single one without an array. */
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
  set connection(connection: Connection | undefined) {
    this.#connection = connection;
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
    const wasOpen = this.readyState === this.OPEN;
    const mayGo = wasOpen && this.#connection?.queue(sizeOf(data)) !== false;
    // To make room for it may have closed somebody: this one, or one that a listener then closes.
    if (mayGo && this.readyState === this.OPEN) {
      if (isPart(options)) SENDING_IN_PARTS.add(this);
      super.send(data as string, options as SendOptions, sent);
      return;
    }
    const callback = typeof options === 'function' ? options : sent;
    if (typeof callback !== 'function') return;
    const { readyState } = this;
    // The error is made when the callback runs: errors of a whole loop of sends would wait together, each with its stack.
    process.nextTick(() => callback(wasOpen && !mayGo ? dropped() : notOpen(readyState)));
  }

  /** Sends a pong, as `ws` does also by itself; it is counted among what waits, since a flood of pings makes as many. */
  override pong(data?: unknown, mask?: boolean, sent?: (error: Error) => void): void {
    if (this.readyState === this.OPEN) {
      this.#connection?.sendHeld();
      this.#connection?.countPiece(this.bufferedAmount);
    }
    super.pong(data, mask, sent);
  }

  /**
   * Sends what goes to many, as `send` would. It is framed already: one write takes it, where `ws` needs two for a header and a
   * payload.
   * @internal
   */
  sendShared(message: SharedMessage): void {
    const connection = this.#connection;
    const mayGo = this.readyState === this.OPEN && connection?.queue(message.payload.length) !== false;
    if (!mayGo || this.readyState !== this.OPEN) return;
    if (connection !== undefined && this.#takesFrames(connection.network)) connection.network.write(message.frame);
    else super.send(message.payload, { binary: message.isBinary });
  }

  /**
   * Begins the closing handshake, as `ws` does, and records which side began it. `ws` calls this too: to answer a peer's close
   * frame, which is the peer's doing, and for a protocol error (1002, 1007, 1008, 1009), which is ours. No message that comes
   * after the call is handled, nor one that waits.
   */
  override close(code?: number, reason?: string | Buffer): void {
    const peerClosed = this.#peerClosed();
    // The first call after the peer's close frame is the answer of `ws` to it; any later one is the application's.
    const byPeer = peerClosed && !this.#connection?.closing;
    if (!peerClosed) this.#connection?.catchUp();
    // First, since it throws for what cannot be sent, and then no close has begun.
    super.close(code, reason);
    const by = byPeer ? 'client' : 'server';
    this.#connection?.closeBegun({ code: code ?? 1005, reason: String(reason ?? ''), by });
  }

  /** Destroys the socket at once, as `ws` does, and writes down that the application did. */
  override terminate(): void {
    this.#connection?.closeBegun({ code: 1006, reason: 'terminated', by: 'server' });
    super.terminate();
  }

  /** Stops reading, as `ws` does, until the app says `resume()`. */
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

  /** Stops reading for our own reasons, which the app's `resume()` does not undo. */
  holdBack(): void {
    this.#heldBack = true;
    super.pause();
  }

  /** Undoes `holdBack()`; a pause of the app stays the app's. */
  letGo(): void {
    this.#heldBack = false;
    if (!this.#pausedByApp) super.resume();
  }

  /** Whether `ws` would write a message at once and as it is: not compressed, within no other message, behind nothing that waits in it. */
  #takesFrames(network: Writable): boolean {
    const { _socket: ofWs } = this as unknown as { readonly _socket?: Writable };
    const nothingWaits = ofWs === network && this.bufferedAmount === network.writableLength;
    return nothingWaits && this.extensions === '' && !SENDING_IN_PARTS.has(this);
  }

  /** `ws` has no public way to tell its answer to a close frame from a close of our own. */
  #peerClosed(): boolean {
    const { _closeFrameReceived: received } = this as unknown as { readonly _closeFrameReceived?: boolean };
    return received ?? false;
  }
}

/** Those that were ever given a part of a message, for life: so few that a field in each socket would cost more. */
const SENDING_IN_PARTS = new WeakSet<WebSocket>();

/** As `ws` reads it: what is given takes the place of its default, also `undefined`. */
function isPart(options: SendOptions | Sent | null | undefined): boolean {
  return typeof options === 'object' && options !== null && 'fin' in options && !options.fin;
}

/** What a message adds to the backlog, in bytes. */
function sizeOf(data: Sendable): number {
  if (data === null || data === undefined) return 0;
  if (typeof data === 'string') return Buffer.byteLength(data);
  if (typeof data === 'number') return String(data).length;
  if ('byteLength' in data) return data.byteLength;
  if (data instanceof Blob) return data.size;
  return 'length' in data ? data.length : 0;
}

function dropped(): HeartbeatError {
  return new HeartbeatError('HEARTBEAT_MESSAGE_DROPPED', 'the message was not sent: the client takes them too slowly');
}

/** In the words of `ws`. */
function notOpen(readyState: number): Error {
  return new Error(`WebSocket is not open: readyState ${readyState} (${readyState === 2 ? 'CLOSING' : 'CLOSED'})`);
}

const NO_HANDLERS: readonly MessageHandler[] = Object.freeze([]);
