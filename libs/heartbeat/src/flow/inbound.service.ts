import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import type { Closing } from '../connection/connection.types.js';
import { INPUT_LIMITS, type InputLimit } from '../connection/history/flight-note.js';
import { NodeState } from '../node/node-state.js';
import { BanCheck, type InboundPolicy } from '../connection/ports.js';
import { isSilenced } from '../connection/silence.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { flowOf, knownFlowOf, queueOf } from './flow-record.js';
import { HeldAnswers } from './held-answers.js';
import { InputQueues } from './input-queues.js';
import type { RawMessage, Take } from './message-queue.js';
import { MessageTurns } from './message-turns.js';
import { maxPieces } from './waiting-pieces.js';

/** Limits input: the rates of messages and pings of a connection. Admitted messages are handled in turns. */
@Injectable()
export class InboundService implements InboundPolicy, OnApplicationShutdown {
  readonly #queues: InputQueues;
  readonly #turns: MessageTurns;
  /** The bytes read when the first frame was dropped, of connections that the server has begun to close. */
  readonly #readAtClose = new WeakMap<Connection, number>();

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
    bans: BanCheck,
    held: HeldAnswers,
  ) {
    const most = node.options.backpressure.maxBufferedBytes;
    this.#queues = new InputQueues(node, connection => this.#refuse(connection, 'input', most));
    this.#turns = new MessageTurns(node, bans, held, this.#queues);
  }

  onApplicationShutdown(): void {
    this.#turns.stop();
  }

  /** Counts a message. Returns false after the server has begun to close the connection, and for one too many, which begins a close. */
  admit(connection: Connection): boolean {
    if (isSilenced(connection)) return this.#dropped(connection);
    const { messagesPerSecond } = this.node.limits;
    if (messagesPerSecond === 0) return true;
    const count = flowOf(connection).countMessage(this.node.attendedMs);
    if (count <= messagesPerSecond * this.#seconds) return true;
    this.#refuse(connection, 'messages', messagesPerSecond);
    return false;
  }

  /** Counts a ping, or an unsolicited pong. Too many close the connection. */
  pinged(connection: Connection): void {
    connection.pulse.bytesCame(this.node.attendedMs, this.node.clock.now());
    // A closing connection gets no answers, and already has a deadline.
    if (connection.closing !== null) return void this.#dropped(connection);
    const { limits, backpressure } = this.node.options;
    const { channel } = connection;
    const waiting = channel.bytesWaiting;
    const most = maxPieces(backpressure.maxBufferedBytes);
    // Each ping has an answer, which cannot be dropped. So a client that does not read the answers is destroyed.
    // Where nothing waits, the count of waiting messages may be out of date.
    const isFull = waiting > 0 && knownFlowOf(connection)?.isFull(most, channel) === true;
    if (isFull || waiting > backpressure.maxBufferedBytes) return this.#overrun(connection, waiting);
    if (limits.pingsPerSecond === 0) return;
    const count = flowOf(connection).countPing(this.node.attendedMs);
    if (count > limits.pingsPerSecond * this.#seconds) this.#refuse(connection, 'pings', limits.pingsPerSecond);
  }

  /** Stops reading a client that keeps sending after the close frame: reading and dropping a flood would take time from other clients. */
  #dropped(connection: Connection): false {
    const { bytesRead } = connection.channel;
    const before = this.#readAtClose.get(connection);
    if (before === undefined) this.#readAtClose.set(connection, bytesRead);
    else if (bytesRead - before > this.node.options.backpressure.maxBufferedBytes) {
      connection.channel.holdBack();
    }
    return false;
  }

  /** The number of seconds whose input may be read in this one; after a stall, including those of the stall. */
  get #seconds(): number {
    return 1 + Math.ceil(this.node.recentStallMs / 1000);
  }

  /** Closes with 4004 and stops reading: reading a flood further would take time from other clients. */
  #refuse(connection: Connection, limit: InputLimit, most: number): void {
    const closing: Closing = { code: CloseCodes.rate.code, reason: INPUT_LIMITS[limit], by: 'server' };
    if (!connection.end(closing, { kind: 'limit', limit, most })) return;
    connection.channel.holdBack();
    this.events.announce({ type: 'message-refused', id: connection.id, reason: 'rate' });
  }

  /** Whether a message that arrives now may be handled at once; otherwise it must `wait`. */
  mayTake(connection: Connection, now: number): boolean {
    return this.#turns.mayTake(connection, now);
  }

  /** Queues a message until its turn. Returns false if too much waits, which begins a close. */
  wait(connection: Connection, message: RawMessage, take: Take): boolean {
    return this.#turns.wait(connection, message, take);
  }

  /**
   * Runs a handler, at once or in its turn.
   * @param handler Never rejects.
   */
  run(connection: Connection, handler: () => Promise<void>): void {
    this.#turns.run(connection, handler);
  }

  /** A message that `mayTake` admits, or that waited, is given to a library that begins its handlers by itself, in ticks that follow. */
  passOn(connection: Connection): void {
    this.#turns.passOn(connection);
  }

  /**
   * Runs a handler of a message that was passed on, as soon as `maxInFlight` permits.
   * @param handler Never rejects.
   */
  join(connection: Connection, handler: () => Promise<void>): void {
    this.#turns.join(connection, handler);
  }

  drop(connection: Connection): void {
    this.#turns.drop(connection);
  }

  hasBegun(connection: Connection): boolean {
    return connection.inFlight > 0 || (queueOf(connection)?.handlers.length ?? 0) > 0;
  }

  /** Whether no further message of it begins. */
  isSuspended(connection: Connection): boolean {
    return queueOf(connection)?.isSuspended === true;
  }

  suspend(connection: Connection): void {
    this.#queues.suspend(connection);
  }

  resume(connection: Connection): void {
    this.#turns.resume(connection);
  }

  /** Destroys a client that leaves answers unread, since a close frame would wait behind them. */
  #overrun(connection: Connection, bufferedBytes: number): void {
    const { code, name } = CloseCodes.slowConsumer;
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes, why: 'limit' });
    connection.destroy({ code, reason: name, by: 'server' }, { kind: 'unread', bufferedBytes });
  }
}
