import type { Connection } from '../connection/connection.js';
import { NEVER } from '../connection/pulse.js';
import type { Transport } from '../connection/transport.js';
import type { InputQueue } from './message-queue.js';
import { WaitingPieces } from './waiting-pieces.js';

/**
 * What flow control knows of one connection. Made when its traffic first needs it, and dropped by the sweep once it does not: a quiet
 * connection has none. Times are in attended milliseconds.
 */
export class FlowRecord {
  /** The second of attended time in which messages and pings are counted. */
  #second = 0;
  #messages = 0;
  #pings = 0;
  /** Messages and handlers that wait; null where none does. */
  queue: InputQueue | null = null;
  /** Messages and pongs that wait in this process; null where none does. */
  #pieces: WaitingPieces | null = null;
  /** Since when a message is incomplete. */
  incompleteSince = NEVER;
  /** Bytes read at the last sweep that found a message incomplete. */
  bytesSwept = NEVER;

  /** Counts a message; returns how many came in this second. */
  countMessage(now: number): number {
    this.#begin(secondOf(now));
    return ++this.#messages;
  }

  /** Counts a ping; returns how many came in this second. */
  countPing(now: number): number {
    this.#begin(secondOf(now));
    return ++this.#pings;
  }

  /** A message or pong is about to be written behind others that wait. */
  countPiece(transport: Transport): void {
    (this.#pieces ??= new WaitingPieces(transport)).add(transport);
  }

  /** Nothing waits to be written. */
  drained(): void {
    this.#pieces = null;
  }

  /** How many messages and pongs wait in this process; in a backlog that moves it may be up to twice as many. */
  waitingPieces(transport: Transport): number {
    return this.#pieces?.count(transport) ?? 0;
  }

  /** Whether `most` of them wait. */
  isFull(most: number, transport: Transport): boolean {
    return this.#pieces?.isFull(most, transport) ?? false;
  }

  /** Whether nothing is lost when this record is dropped. */
  isIdle(now: number): boolean {
    return (
      this.queue === null && this.#pieces === null && this.incompleteSince === NEVER && this.#second !== secondOf(now)
    );
  }

  #begin(second: number): void {
    if (this.#second === second) return;
    this.#second = second;
    this.#messages = this.#pings = 0;
  }
}

/** The record of a connection, made where there is none. */
export function flowOf(connection: Connection): FlowRecord {
  return (connection.flow ??= new FlowRecord()) as FlowRecord;
}

/** The record of a connection; null where its traffic needed none. */
export function knownFlowOf(connection: Connection): FlowRecord | null {
  return connection.flow as FlowRecord | null;
}

/** What of a connection has to wait; null where nothing does. */
export function queueOf(connection: Connection): InputQueue | null {
  return knownFlowOf(connection)?.queue ?? null;
}

function secondOf(now: number): number {
  return Math.floor(now / 1000);
}
