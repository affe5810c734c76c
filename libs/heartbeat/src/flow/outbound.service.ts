import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import type { Outgoing } from '../connection/connection.types.js';
import { NodeState } from '../connection/node-state.js';
import type { OutboundPolicy } from '../connection/ports.js';
import { Registry } from '../connection/registry.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';
import { Backlog } from './backlog.js';
import { Broadcast } from './broadcast.js';
import { flowOf, knownFlowOf } from './flow-record.js';
import { HeldAnswers } from './held-answers.js';
import { maxPieces, PIECE_BYTES } from './waiting-pieces.js';

interface Waiting {
  readonly connection: Connection;
  readonly bytes: number;
  /** What they take of memory, which for small messages is more than their bytes. */
  readonly cost: number;
}

/** How often each backlog is checked, whatever was sent. */
const CHECK_MS = 1000;
/** By this share of it all backlogs together may exceed their limit, so that not every message has them summed up. */
const TOLERANCE = 0.05;

/**
 * All that goes out passes here: the order of answers, messages to many and others, the counts, and the limits of what may wait in
 * memory for clients that do not read: for each, and for all together.
 */
@Injectable()
export class OutboundService implements OutboundPolicy, OnApplicationBootstrap, OnApplicationShutdown {
  #timer: NodeJS.Timeout | null = null;
  /** Of those connections only that have one. */
  #backlogs = new Map<Connection, Backlog>();
  readonly #broadcast = new Broadcast();
  /** All backlogs together at the last check. */
  #bufferedBytes = 0;
  /** What was queued since the last check. */
  #queuedBytes = 0;
  /** How much may be queued before all backlogs have to be summed up again. */
  #room: number;
  #slowConsumers = 0;
  /** Connections whose end was decided, until it has begun. */
  readonly #doomed = new Map<Connection, { readonly bufferedBytes: number; readonly why: 'slow' | 'total' }>();
  #isDestroying = false;

  constructor(
    private readonly node: NodeState,
    private readonly registry: Registry,
    private readonly held: HeldAnswers,
    private readonly events: HeartbeatEvents,
  ) {
    this.#room = node.options.backpressure.maxTotalBufferedBytes;
  }

  /** Bytes that waited for all connections together at the last check, in this process's memory; with broadcasts under way. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Connections with a backlog that took less than they must at the last check. */
  get slowConsumers(): number {
    return this.#slowConsumers;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.check(), CHECK_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  admits(connection: Connection, kind: Outgoing, bytes: number): boolean {
    // Before a message to many has been sent, none that is under way comes after it.
    if (kind !== 'shared') this.#broadcast.catchUp(connection);
    if (kind === 'answer') this.held.hold(connection);
    else this.held.release(connection);
    const { maxBufferedBytes } = this.node.options.backpressure;
    const { transport } = connection;
    const waiting = transport.bytesWaiting;
    const hasPlace = waiting === 0 || !knownFlowOf(connection)?.isFull(maxPieces(maxBufferedBytes), transport);
    if (waiting + bytes > maxBufferedBytes || !hasPlace) return this.#refuse(connection, waiting, bytes);
    if (kind !== 'event') this.node.totals.messagesOut++;
    const cost = waiting === 0 ? bytes : bytes + PIECE_BYTES;
    if (this.#queuedBytes + cost > this.#room) this.check();
    this.#queuedBytes += cost;
    this.#countPiece(connection, waiting);
    return true;
  }

  beforePong(connection: Connection): void {
    this.held.release(connection);
    this.#countPiece(connection, connection.transport.bytesWaiting);
  }

  catchUp(connection: Connection): void {
    this.#broadcast.catchUp(connection);
  }

  broadcast(payload: string | Buffer, receivers: readonly Connection[]): void {
    this.#broadcast.start(payload, receivers);
  }

  /** What is written where nothing waits goes out at once. */
  #countPiece(connection: Connection, waiting: number): void {
    if (waiting === 0) knownFlowOf(connection)?.drained();
    else flowOf(connection).countPiece(connection.transport);
  }

  /** A message finds no room. */
  #refuse(connection: Connection, waiting: number, bytes: number): false {
    // The close notification may find no room either, after the close has been reported.
    if (connection.closing !== null) return false;
    connection.note({ kind: 'full', bufferedBytes: waiting, messages: piecesOf(connection), bytes });
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes: waiting, why: 'limit' });
    const { code, name } = CloseCodes.slowConsumer;
    const { policy } = this.node.options.backpressure;
    if (policy === 'close') connection.end({ code, reason: name, by: 'server' });
    return false;
  }

  /** One pass over all backlogs: destroys clients that took too little for too long, and the largest while all together are too large. */
  check(): void {
    const now = this.node.attendedMs;
    this.#queuedBytes = 0;
    this.#slowConsumers = 0;
    const waiting: Waiting[] = [];
    const backlogs = new Map<Connection, Backlog>();
    for (const connection of this.registry.all()) {
      const bytes = connection.transport.bytesWaiting;
      if (bytes === 0 || this.#doomed.has(connection)) continue;
      const backlog = this.#backlogs.get(connection) ?? new Backlog(this.node.options.backpressure.slowAfterMs);
      if (this.#isTooSlow(connection, backlog, now)) {
        this.#doom(connection, bytes, 'slow');
        continue;
      }
      backlogs.set(connection, backlog);
      waiting.push({ connection, bytes, cost: bytes + piecesOf(connection) * PIECE_BYTES });
    }
    this.#backlogs = backlogs;
    const left = this.#relieve(waiting);
    this.#destroyDoomed();
    this.#bufferedBytes = this.#broadcast.bytes + sumOf(left, ({ bytes }) => bytes);
    const { maxTotalBufferedBytes: most } = this.node.options.backpressure;
    const used = this.#broadcast.bytes + sumOf(left, ({ cost }) => cost);
    this.#room = Math.max(most - used, most * TOLERANCE);
  }

  /** Whether this backlog moved too little in all of `slowAfterMs`. */
  #isTooSlow({ transport }: Connection, backlog: Backlog, now: number): boolean {
    const taken = transport.bytesTaken;
    const isSlow = backlog.rate(now, taken) < this.node.options.backpressure.minDrainBytesPerSecond;
    if (isSlow) this.#slowConsumers++;
    const isTooSlow = isSlow && backlog.isWhole(now);
    backlog.note(now, taken);
    return isTooSlow;
  }

  /** Destroys the largest until the rest costs little enough; returns what is left. */
  #relieve(waiting: readonly Waiting[]): readonly Waiting[] {
    const { maxTotalBufferedBytes } = this.node.options.backpressure;
    let total = sumOf(waiting, ({ cost }) => cost);
    if (total <= maxTotalBufferedBytes) return waiting;
    const largestFirst = waiting.toSorted((one, other) => other.cost - one.cost);
    let destroyed = 0;
    for (const { connection, bytes, cost } of largestFirst) {
      this.#doom(connection, bytes, 'total');
      destroyed++;
      total -= cost;
      if (total <= maxTotalBufferedBytes) break;
    }
    return largestFirst.slice(destroyed);
  }

  /** Its backlog counts no more from now on. */
  #doom(connection: Connection, bufferedBytes: number, why: 'slow' | 'total'): void {
    this.#doomed.set(connection, { bufferedBytes, why });
  }

  /** In slices, since thousands of clients may have stopped reading at once; the first ones in this turn. */
  #destroyDoomed(): void {
    if (this.#isDestroying || this.#doomed.size === 0) return;
    this.#isDestroying = true;
    void inSlices(this.#doomed, ([connection, { bufferedBytes, why }]) => {
      this.#doomed.delete(connection);
      this.#destroy(connection, bufferedBytes, why);
    }).finally(() => {
      this.#isDestroying = false;
    });
  }

  /** A Close frame would wait behind the backlog: it is destroyed, and its memory is free at once. */
  #destroy(connection: Connection, bufferedBytes: number, why: 'slow' | 'total'): void {
    const { code, name } = CloseCodes.slowConsumer;
    connection.note({ kind: 'slow', bufferedBytes, why });
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes, why });
    connection.destroy({ code, reason: name, by: 'server' });
  }
}

function piecesOf(connection: Connection): number {
  return knownFlowOf(connection)?.waitingPieces(connection.transport) ?? 0;
}

function sumOf(waiting: readonly Waiting[], valueOf: (one: Waiting) => number): number {
  return waiting.reduce((sum, one) => sum + valueOf(one), 0);
}
