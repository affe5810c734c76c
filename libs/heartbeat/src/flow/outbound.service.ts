import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import type { Outgoing } from '../connection/connection.types.js';
import type { CountedNote } from '../connection/history/flight-note.js';
import { NodeState } from '../node/node-state.js';
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
  /** Their memory, which for small messages is larger than their bytes. */
  readonly cost: number;
}

const DROPPED: CountedNote = Object.freeze({ kind: 'dropped', reason: 'drop-newest', count: 1 });
/** Share of the limit by which all backlogs together may exceed it, so that not every message sums them. */
const TOLERANCE = 0.05;

/**
 * All outgoing messages pass here. It controls the order of answers, broadcasts and other messages, the counts, and the limits of memory
 * for clients that do not read: for each, and for all together.
 */
@Injectable()
export class OutboundService implements OutboundPolicy, OnApplicationBootstrap, OnApplicationShutdown {
  /** Ends the work of every second. */
  #end: (() => void) | null = null;
  /** Only for connections with a backlog. */
  #backlogs = new Map<Connection, Backlog>();
  readonly #broadcast = new Broadcast();
  /** The sum of all backlogs at the last check. */
  #bufferedBytes = 0;
  /** Bytes queued since the last check. */
  #queuedBytes = 0;
  /** Bytes that may be queued before all backlogs must be summed again. */
  #room: number;
  #slowConsumers = 0;
  /** Connections that are about to be destroyed. */
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

  /** Bytes that waited for all connections together at the last check, in this process's memory, including pending broadcasts. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Connections whose backlog moved too slowly at the last check. */
  get slowConsumers(): number {
    return this.#slowConsumers;
  }

  onApplicationBootstrap(): void {
    this.#end = this.node.seconds.every(() => this.check());
  }

  onApplicationShutdown(): void {
    this.#end?.();
    this.#end = null;
  }

  admits(connection: Connection, kind: Outgoing, bytes: number): boolean {
    // Pending broadcasts are sent before any other message, so that none follows a later one.
    if (kind !== 'shared') this.#broadcast.catchUp(connection);
    if (kind === 'answer') this.held.hold(connection);
    else this.held.release(connection);
    const { maxBufferedBytes } = this.node.options.backpressure;
    const { channel } = connection;
    const waiting = channel.bytesWaiting;
    const hasPlace = waiting === 0 || !knownFlowOf(connection)?.isFull(maxPieces(maxBufferedBytes), channel);
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
    this.#countPiece(connection, connection.channel.bytesWaiting);
  }

  catchUp(connection: Connection): void {
    this.#broadcast.catchUp(connection);
  }

  broadcast(payload: string | Buffer, receivers: readonly Connection[]): void {
    this.#broadcast.start(payload, receivers);
  }

  /** Bytes written where nothing waits are sent at once. */
  #countPiece(connection: Connection, waiting: number): void {
    if (waiting === 0) knownFlowOf(connection)?.drained();
    else flowOf(connection).countPiece(connection.channel);
  }

  /** Handles a message above a limit. */
  #refuse(connection: Connection, waiting: number, bytes: number): false {
    // The close notification may exceed the limit too, after the close was reported.
    if (connection.closing !== null) return false;
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes: waiting, why: 'limit' });
    const { code, name } = CloseCodes.slowConsumer;
    const { policy } = this.node.options.backpressure;
    if (policy === 'drop-newest' && connection.channel.kind.mayDrop !== false) {
      connection.note(DROPPED);
      return false;
    }
    const messages = piecesOf(connection);
    connection.end({ code, reason: name, by: 'server' }, { kind: 'full', bufferedBytes: waiting, messages, bytes });
    return false;
  }

  /**
   * One pass over all backlogs, every second, independent of sends. It destroys clients that read too little for too long, and the largest backlogs while all together are too
   * large.
   */
  check(): void {
    const now = this.node.attendedMs;
    this.#queuedBytes = 0;
    this.#slowConsumers = 0;
    const waiting: Waiting[] = [];
    const backlogs = new Map<Connection, Backlog>();
    for (const connection of this.registry.all()) {
      const { bytesWaiting: bytes, polling } = connection.channel;
      if (bytes === 0 || this.#doomed.has(connection)) continue;
      // A backlog that waits for the next request of its client is not slow.
      if (polling !== 'waiting') {
        const backlog = this.#backlogs.get(connection) ?? new Backlog(this.node.options.backpressure.slowAfterMs);
        if (this.#isTooSlow(connection, backlog, now)) {
          this.#doom(connection, bytes, 'slow');
          continue;
        }
        backlogs.set(connection, backlog);
      }
      waiting.push({ connection, bytes, cost: bytes + piecesOf(connection) * PIECE_BYTES });
    }
    this.#backlogs = backlogs;
    const left = this.#relieve(waiting);
    void this.#destroyDoomed();
    this.#bufferedBytes = this.#broadcast.bytes + sumOf(left, ({ bytes }) => bytes);
    const { maxTotalBufferedBytes: most } = this.node.options.backpressure;
    const used = this.#broadcast.bytes + sumOf(left, ({ cost }) => cost);
    this.#room = Math.max(most - used, most * TOLERANCE);
  }

  /** Whether this backlog moved too little over the whole of `slowAfterMs`. */
  #isTooSlow({ channel }: Connection, backlog: Backlog, now: number): boolean {
    const taken = channel.bytesTaken;
    const isSlow = backlog.rate(now, taken) < this.node.options.backpressure.minDrainBytesPerSecond;
    if (isSlow) this.#slowConsumers++;
    const isTooSlow = isSlow && backlog.isWhole(now);
    backlog.note(now, taken);
    return isTooSlow;
  }

  /** Selects the largest backlogs to be destroyed until the rest is small enough. Returns the rest. */
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

  /** Its backlog no longer counts from now on. */
  #doom(connection: Connection, bufferedBytes: number, why: 'slow' | 'total'): void {
    this.#doomed.set(connection, { bufferedBytes, why });
  }

  /** In slices, since thousands of clients may have stopped reading at once; the first ones in this turn. */
  async #destroyDoomed(): Promise<void> {
    if (this.#isDestroying) return;
    this.#isDestroying = true;
    try {
      // More may be doomed in the turn in which the last ones are destroyed.
      while (this.#doomed.size > 0) {
        await inSlices(this.#doomed, ([connection, { bufferedBytes, why }]) => {
          this.#doomed.delete(connection);
          this.#destroy(connection, bufferedBytes, why);
        });
      }
    } finally {
      this.#isDestroying = false;
    }
  }

  /** A close frame would wait behind the backlog. So the connection is destroyed, and its memory is free at once. */
  #destroy(connection: Connection, bufferedBytes: number, why: 'slow' | 'total'): void {
    const { code, name } = CloseCodes.slowConsumer;
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes, why });
    connection.destroy({ code, reason: name, by: 'server' }, { kind: 'slow', bufferedBytes, why });
  }
}

function piecesOf(connection: Connection): number {
  return knownFlowOf(connection)?.waitingPieces(connection.channel) ?? 0;
}

function sumOf(waiting: readonly Waiting[], valueOf: (one: Waiting) => number): number {
  return waiting.reduce((sum, one) => sum + valueOf(one), 0);
}
