import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';
import { Backlog } from './backlog.js';
import { bytesTaken } from '../connection/bytes-taken.js';
import { PIECE_BYTES } from '../connection/waiting-pieces.js';

interface Waiting {
  readonly connection: Connection;
  readonly bytes: number;
  /** What they take of memory, which for small messages is more. */
  readonly cost: number;
}

/** How often each backlog is looked at, whatever was sent. */
const LOOK_MS = 1000;
/** By this share of it all backlogs together may exceed their limit, so that not every message has them summed up. */
const TOLERANCE = 0.05;

/** Guards memory against clients that do not read: the slow one, and all of them together. */
@Injectable()
export class OutboundService implements OnApplicationBootstrap, OnApplicationShutdown {
  #timer: NodeJS.Timeout | null = null;
  /** Of those connections only that have one. */
  #backlogs = new Map<Connection, Backlog>();
  /** All backlogs together at the last look. */
  #bufferedBytes = 0;
  #slowConsumers = 0;
  /** Connections whose end was decided, until it has begun. */
  readonly #doomed = new Map<Connection, { readonly bufferedBytes: number; readonly why: 'slow' | 'total' }>();
  #isDestroying = false;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {
    node.makeRoom = () => this.look();
    node.queueRoom = node.options.backpressure.maxTotalBufferedBytes;
  }

  /** Bytes that waited for all connections together at the last look, in this process's memory. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Connections with a backlog that took less than they must at the last look. */
  get slowConsumers(): number {
    return this.#slowConsumers;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** One pass over all backlogs: destroys who took too little for too long, and the largest while all together are too many. */
  look(): void {
    const now = this.node.attendedMs;
    this.node.queuedBytes = 0;
    this.#slowConsumers = 0;
    const waiting: Waiting[] = [];
    const backlogs = new Map<Connection, Backlog>();
    for (const connection of this.connections.all()) {
      const bytes = connection.socket.bufferedAmount;
      if (bytes === 0 || this.#doomed.has(connection)) continue;
      const backlog = this.#backlogs.get(connection) ?? new Backlog(this.node.options.backpressure.slowAfterMs);
      if (this.#isTooSlow(connection, backlog, now)) {
        this.#doom(connection, bytes, 'slow');
        continue;
      }
      backlogs.set(connection, backlog);
      waiting.push({ connection, bytes, cost: bytes + connection.waitingPieces * PIECE_BYTES });
    }
    this.#backlogs = backlogs;
    const left = this.#relieve(waiting);
    this.#destroyDoomed();
    this.#bufferedBytes = sumOf(left, ({ bytes }) => bytes);
    const { maxTotalBufferedBytes: most } = this.node.options.backpressure;
    this.node.queueRoom = Math.max(most - sumOf(left, ({ cost }) => cost), most * TOLERANCE);
  }

  /** Whether this backlog moved too little in all of `slowAfterMs`. */
  #isTooSlow({ network }: Connection, backlog: Backlog, now: number): boolean {
    const taken = bytesTaken(network);
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

function sumOf(waiting: readonly Waiting[], valueOf: (one: Waiting) => number): number {
  return waiting.reduce((sum, one) => sum + valueOf(one), 0);
}
