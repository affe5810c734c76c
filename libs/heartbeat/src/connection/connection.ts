import type { Socket } from 'node:net';

import type { Subscription } from 'rxjs';
import type { WebSocket } from 'ws';

import { assertSendable, closeReason } from '../close-code.js';
import type { ConnectionState } from '../connection-view.js';
import type { HeartbeatError } from '../heartbeat.error.js';
import type { Closing, Identity, Opening } from './connection-words.js';
import { FlightRecord } from './flight-record.js';
import { guarded, Lifetime } from './lifetime.js';
import { closedError, goodbye, payloadOf } from './payload.js';
import { NEVER, Pulse } from './pulse.js';

/** What a connection needs of the registry that made it. */
export interface ConnectionOwner {
  idOf(serial: number): string;
  now(): number;
  attended(): number;
  identified(connection: Connection, previous: Identity | null): void;
  failed(connection: Connection, what: string, error: unknown): void;
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/** One WebSocket, from the answered upgrade to its end. Made by `ConnectionService.open` only. */
export class Connection {
  readonly serial: number;
  readonly socket: WebSocket;
  readonly network: Socket;
  readonly path: string;
  readonly ip: string;
  readonly userAgent: string | null;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
  readonly pulse: Pulse<Connection>;
  readonly #owner: ConnectionOwner;

  messagesIn = 0;
  messagesOut = 0;
  /** Monotonic milliseconds; `NEVER` before the first message. */
  lastMessageAt = NEVER;
  /** When bytes were last noticed, in monotonic milliseconds. */
  lastSeenAt: number;
  /** Round trip of the last answered ping, in milliseconds; null before the first. */
  rttMs: number | null = null;
  /** Whether the client has used the application heartbeat, and so gets the server's events of it. */
  appHeartbeat = false;
  /** Message handlers that have not ended yet. */
  inFlight = 0;

  readonly #bytesReadBefore: number;
  readonly #bytesWrittenBefore: number;
  #identity: Identity | null;
  #closing: Closing | null = null;
  #ended = false;
  #lifetime: Lifetime | null = null;
  #flight: FlightRecord | null = null;

  constructor(owner: ConnectionOwner, opening: Opening) {
    this.#owner = owner;
    this.serial = opening.serial;
    this.socket = opening.socket;
    this.network = opening.network;
    this.path = opening.path;
    this.ip = opening.ip;
    this.userAgent = opening.userAgent;
    this.#identity = opening.identity;
    this.openedAt = Math.trunc(owner.now());
    this.lastSeenAt = this.openedAt;
    this.#bytesReadBefore = opening.network.bytesRead;
    this.#bytesWrittenBefore = opening.network.bytesWritten;
    this.pulse = new Pulse<Connection>(this, Math.floor(Math.random() * 1000));
    this.pulse.bytesSeen = this.#bytesReadBefore;
    this.pulse.openedAt = owner.attended();
  }

  /** Unique over all nodes and boots; carries its node's id. */
  get id(): string {
    return this.#owner.idOf(this.serial);
  }

  get identity(): Identity | null {
    return this.#identity;
  }

  get userId(): string | null {
    return this.#identity?.userId ?? null;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#identity?.labels ?? NO_LABELS;
  }

  get state(): ConnectionState {
    if (this.#closing !== null || this.#ended) return 'closing';
    return this.pulse.pingedAt === NEVER ? 'open' : 'probing';
  }

  get closing(): Closing | null {
    return this.#closing;
  }

  get ended(): boolean {
    return this.#ended;
  }
  /** Whether we have stopped reading from it: `pause()` by the app, too many handlers in flight, or `ws` catching up. */
  get paused(): boolean {
    return this.socket.isPaused || this.network.isPaused();
  }

  /** When bytes were last noticed, where those count that came since the last look. */
  seenAt(now: number): number {
    const isNoted = this.network.bytesRead === this.pulse.bytesSeen || this.pulse.messageAt >= this.pulse.lookedAt;
    return isNoted ? this.lastSeenAt : now;
  }

  get bytesIn(): number {
    return this.network.bytesRead - this.#bytesReadBefore;
  }

  get bytesOut(): number {
    return this.network.bytesWritten - this.#bytesWrittenBefore;
  }

  /** Aborts when the connection has ended; `signal.reason` tells how. Composes with Node's own APIs. */
  get signal(): AbortSignal {
    if (this.#ended) return AbortSignal.abort(this.#endReason());
    return (this.#lifetime ??= new Lifetime()).signal;
  }

  get flight(): FlightRecord | null {
    return this.#flight;
  }

  /** Runs `disposer` once when this ends (at once if it has), the last deferred first; its failure is logged and ends nothing. */
  defer(disposer: () => unknown): void {
    if (this.#ended) return guarded(disposer, 'a disposer', this.#failed);
    (this.#lifetime ??= new Lifetime()).defer(disposer);
  }

  /** Lets a stream of answers end with the connection; a stream that completes is let go at once. */
  hold(stream: Subscription): void {
    if (this.#ended) return stream.unsubscribe();
    (this.#lifetime ??= new Lifetime()).hold(stream);
  }

  /** Says who this is, for connections whose client proves it after the opening; may be said again. */
  identify(identity: Identity): void {
    const previous = this.#identity;
    this.#identity = Object.freeze({ userId: identity.userId, labels: Object.freeze({ ...identity.labels }) });
    if (!this.#ended) this.#owner.identified(this, previous);
  }

  /**
   * Sends text or bytes as they are, anything else as JSON. Resolves when the bytes have left this process's buffers.
   * @throws HeartbeatError `HEARTBEAT_CONNECTION_CLOSED` (as a rejection) if the connection ends first.
   */
  send(data: unknown): Promise<void> {
    const sent = new Promise<void>((resolve, reject) => {
      this.socket.send(payloadOf(data), (error?: Error | null) => (error ? reject(this.#endReason()) : resolve()));
    });
    sent.catch(() => undefined); // Whoever does not wait for it has nothing to catch either.
    return sent;
  }

  /**
   * Begins the closing handshake; a peer that does not answer is destroyed after `drain.closeTimeoutMs`.
   * @param code 1000 by default; one that an endpoint may send (RFC 6455, section 7.4).
   * @param reason Cut to the 123 bytes that fit into a close frame.
   * @throws HeartbeatError `HEARTBEAT_BAD_CLOSE` for a code that cannot be sent.
   */
  close(code = 1000, reason = ''): void {
    assertSendable(code);
    this.end({ code, reason, by: 'server' });
  }

  /** The one way out: says goodbye where the client understands it, then closes. False if a close had begun already. */
  end(closing: Closing, retryAfterMs?: number): boolean {
    if (this.#closing !== null || this.#ended) return false;
    const { code, reason } = closing;
    if (this.appHeartbeat) this.sendHeartbeatEvent(goodbye(code, reason, retryAfterMs));
    this.closeBegun(closing);
    this.socket.close(code, closeReason(reason, retryAfterMs));
    return true;
  }

  /** Ends without a handshake, for a peer that would not answer; what is recorded is `closing`. */
  destroy(closing: Closing): void {
    this.closeBegun(closing);
    this.socket.terminate();
  }

  /** Writes down how the end began; the first to say it is believed. */
  closeBegun(closing: Closing): void {
    if (this.#closing !== null || this.#ended) return;
    this.#closing = closing;
    this.pulse.unlink();
  }

  countSent(): void {
    this.messagesOut++;
    this.pulse.activeAt = this.#owner.attended();
  }

  countReceived(now: number): void {
    this.messagesIn++;
    this.lastMessageAt = Math.trunc(now);
    this.pulse.activeAt = this.#owner.attended();
    this.countHeard(now);
  }

  /** A whole message came, of the application or of its heartbeat. */
  countHeard(now: number): void {
    this.lastSeenAt = Math.trunc(now);
    this.pulse.messageAt = this.#owner.attended();
  }

  /** Sends an event of the application heartbeat, which is no message of the app: it keeps nobody from being idle. */
  sendHeartbeatEvent(event: string): void {
    const { messagesOut } = this;
    const { activeAt } = this.pulse;
    this.socket.send(event);
    this.messagesOut = messagesOut;
    this.pulse.activeAt = activeAt;
  }

  note(what: string): void {
    (this.#flight ??= new FlightRecord()).note(this.#owner.now(), what);
  }

  /** The connection is over: called once, by the registry. Runs the disposers, ends the streams and fires the signal. */
  finish(closing: Closing): void {
    this.#closing ??= closing;
    this.#ended = true;
    this.pulse.unlink();
    this.#lifetime?.end(this.#endReason(), this.#failed);
    this.#lifetime = null;
  }

  #endReason(): HeartbeatError {
    return closedError(this.id, this.#closing);
  }

  /** Made when it is needed, so that no connection carries a closure. */
  get #failed(): (what: string, error: unknown) => void {
    return (what, error) => this.#owner.failed(this, what, error);
  }
}
