import type { Socket } from 'node:net';

import type { WebSocket } from 'ws';

import type { ConnectionState } from './listing/connection-view.js';
import { frozenIdentity, type Identity } from '../base/identity.js';
import { bytesTaken } from './bytes-taken.js';
import type { Closing, ConnectionOwner, Opening } from './connection.types.js';
import type { FlightNote } from './history/flight-note.js';
import { type FlightRecord, withNote } from './history/flight-record.js';
import { NEVER, phaseOf, Pulse } from './pulse.js';
import { WaitingPieces } from './waiting-pieces.js';

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * What is known of one connection: who it is, what it has done, how it stands. `Connection` is what can be done with it.
 * @typeParam Self The connection, which is named so for those that a record is handed to.
 */
export abstract class ConnectionRecord<Self> {
  readonly serial: number;
  readonly socket: WebSocket;
  readonly network: Socket;
  readonly path: string;
  readonly ip: string;
  readonly userAgent: string | null;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
  readonly pulse: Readonly<Pulse<Self>>;
  protected readonly owner: ConnectionOwner<Self>;

  messagesIn = 0;
  messagesOut = 0;
  /** Monotonic milliseconds; `NEVER` before the first message. */
  lastMessageAt = NEVER;
  /** Monotonic milliseconds of the last time that bytes were noticed. */
  lastSeenAt: number;
  /** Whether the client has used the application heartbeat, and so gets the server's events of it. */
  appHeartbeat = false;
  /** Message handlers that have not ended yet. */
  inFlight = 0;
  /** The record that `flow/` keeps of it, whose type only `flow/` knows; null while its traffic needs none. */
  flow: object | null = null;
  /** Whether bytes may be buffered that are emitted together with those of other connections: at the opening, and after a pause. */
  mayBurst = true;
  /** The number of the last message to many that was sent to it, or was not for it. */
  lastShared = 0;

  /** Whole microseconds: a fraction would be stored outside of the record. */
  #rttMicros = NEVER;
  readonly #bytesReadBefore: number;
  readonly #bytesWrittenBefore: number;
  protected who: Identity | null;
  protected ending: Closing | null = null;
  protected isOver = false;
  #flight: FlightRecord | null = null;
  #pieces: WaitingPieces | null = null;

  constructor(owner: ConnectionOwner<Self>, serial: number, opening: Opening) {
    this.owner = owner;
    this.serial = serial;
    this.socket = opening.socket;
    this.network = opening.network;
    this.path = opening.path;
    this.ip = opening.ip;
    this.userAgent = opening.userAgent;
    this.who = opening.identity && frozenIdentity(opening.identity);
    this.openedAt = Math.trunc(owner.now());
    this.lastSeenAt = this.openedAt;
    this.#bytesReadBefore = opening.network.bytesRead;
    this.#bytesWrittenBefore = bytesTaken(opening.network);
    this.pulse = new Pulse<Self>(this as unknown as Self, phaseOf(serial), owner.attended(), this.#bytesReadBefore);
  }

  /** Unique over all nodes and boots; carries its node's id. */
  get id(): string {
    return this.owner.idOf(this.serial);
  }

  get identity(): Identity | null {
    return this.who;
  }

  /** Null for an anonymous client. */
  get userId(): string | null {
    return this.who?.userId ?? null;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.who?.labels ?? NO_LABELS;
  }

  /** Round trip of the last answered ping, in milliseconds; null before the first. */
  get rttMs(): number | null {
    return this.#rttMicros === NEVER ? null : this.#rttMicros / 1000;
  }

  set rttMs(ms: number) {
    this.#rttMicros = Math.round(ms * 1000);
  }

  get state(): ConnectionState {
    if (this.ending !== null || this.isOver) return 'closing';
    return this.pulse.pingedAt === NEVER ? 'open' : 'probing';
  }

  /** How this connection is being or was ended; null while it is open. */
  get closing(): Closing | null {
    return this.ending;
  }

  get ended(): boolean {
    return this.isOver;
  }

  /** Whether we have stopped reading from it: `pause()` by the app, too many handlers in flight, or `ws` catching up. */
  get paused(): boolean {
    return this.socket.isPaused || this.network.isPaused();
  }

  /** When bytes were last noticed, including bytes that came since the last check. */
  seenAt(now: number): number {
    const isNoted =
      this.network.bytesRead === this.pulse.bytesSeen || this.pulse.lastActivityAt >= this.pulse.checkedAt;
    return isNoted ? this.lastSeenAt : now;
  }

  get bytesIn(): number {
    return this.network.bytesRead - this.#bytesReadBefore;
  }

  /** What the network has taken; what waits is `bufferedAmount`. */
  get bytesOut(): number {
    return bytesTaken(this.network) - this.#bytesWrittenBefore;
  }

  /** How many messages and pongs wait in this process; in a backlog that moves it may be up to twice as many. */
  get waitingPieces(): number {
    if (this.socket.bufferedAmount === 0) this.#pieces = null;
    return this.#pieces?.count(this.network) ?? 0;
  }

  /** Whether `most` messages wait already. */
  isFull(most: number): boolean {
    return this.#pieces?.isFull(most, this.network) ?? false;
  }

  /** Counts a message or pong that is about to be written where `waiting` bytes wait: what is written where nothing waits goes out at once. */
  countPiece(waiting: number): void {
    if (waiting === 0) this.#pieces = null;
    else (this.#pieces ??= new WaitingPieces(this.network)).add(this.network);
  }

  get flight(): FlightRecord | null {
    return this.#flight;
  }

  countReceived(now: number): void {
    this.messagesIn++;
    this.lastMessageAt = Math.trunc(now);
    this.pulse.active(this.owner.attended());
    this.countWhole(now);
  }

  /** A whole message came, of the application or of its heartbeat. */
  countWhole(now: number): void {
    this.lastSeenAt = Math.trunc(now);
    this.pulse.messageCame(this.owner.attended());
  }

  /**
   * Bytes came that are no whole message.
   * @param since The attended time at which they came, or after which where that is all that is known.
   */
  countBytes(now: number, since = this.owner.attended()): void {
    this.lastSeenAt = Math.trunc(now);
    this.pulse.bytesCame(since);
  }

  /** Adds a note to the flight record. */
  note(note: FlightNote): void {
    this.#flight = withNote(this.#flight, Math.trunc(this.owner.now()), note);
  }
}
