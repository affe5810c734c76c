import type { Connection } from '../connection/connection.js';
import { NEVER } from '../connection/pulse.js';
import type { Transport } from '../connection/transport.js';
import type { InputQueue } from './message-queue.js';
import { WaitingPieces } from './waiting-pieces.js';

/**
 * The flow-control state of one connection. It is created when the traffic first needs it, and the sweep removes it when it is no longer
 * needed: a quiet connection has none. Times are in attended milliseconds.
 */
export class FlowRecord {
  /** The second of attended time in which messages and pings are counted. */
  #second = 0;
  #messages = 0;
  #pings = 0;
  /** Waiting messages and handlers; null without any. */
  queue: InputQueue | null = null;
  /** Messages and pongs that wait in this process; null without any. */
  #pieces: WaitingPieces | null = null;
  /** The time since which a message is incomplete. */
  incompleteSince = NEVER;
  /** Bytes read at the last sweep that found a message incomplete. */
  bytesSwept = NEVER;

  /** Counts a message. Returns the number of messages in this second. */
  countMessage(now: number): number {
    this.#begin(secondOf(now));
    return ++this.#messages;
  }

  /** Counts a ping. Returns the number of pings in this second. */
  countPing(now: number): number {
    this.#begin(secondOf(now));
    return ++this.#pings;
  }

  /** Counts a message or pong that is about to be written after waiting ones. */
  countPiece(transport: Transport): void {
    (this.#pieces ??= new WaitingPieces(transport)).add(transport);
  }

  /** Nothing waits to be written. */
  drained(): void {
    this.#pieces = null;
  }

  /** The number of messages and pongs that wait in this process. In a backlog that moves it may be up to twice as high. */
  waitingPieces(transport: Transport): number {
    return this.#pieces?.count(transport) ?? 0;
  }

  /** Whether at least `most` of them wait. */
  isFull(most: number, transport: Transport): boolean {
    return this.#pieces?.isFull(most, transport) ?? false;
  }

  /** Whether the record can be removed without loss. */
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

/** The record of a connection; created on demand. */
export function flowOf(connection: Connection): FlowRecord {
  return (connection.flow ??= new FlowRecord()) as FlowRecord;
}

/** The record of a connection; null where its traffic needed none. */
export function knownFlowOf(connection: Connection): FlowRecord | null {
  return connection.flow as FlowRecord | null;
}

/** The waiting work of a connection; null without any. */
export function queueOf(connection: Connection): InputQueue | null {
  return knownFlowOf(connection)?.queue ?? null;
}

function secondOf(now: number): number {
  return Math.floor(now / 1000);
}
