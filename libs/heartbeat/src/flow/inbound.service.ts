import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { INPUT_LIMITS, type InputLimit } from '../connection/history/flight-note.js';
import { NodeState } from '../connection/node-state.js';
import { BanCheck, type InboundPolicy } from '../connection/ports.js';
import { isSilenced } from '../connection/silence.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { flowOf, knownFlowOf } from './flow-record.js';
import { HeldAnswers } from './held-answers.js';
import type { RawMessage, Take } from './message-queue.js';
import { MessageTurns } from './message-turns.js';
import { maxPieces } from './waiting-pieces.js';

/** Guards what comes in: more messages than a connection may send, and more pings; what may be handled has its turn. */
@Injectable()
export class InboundService implements InboundPolicy, OnApplicationShutdown {
  readonly #turns: MessageTurns;
  /** How much had been read when the first frame was dropped, of connections that the server has begun to close. */
  readonly #readAtClose = new WeakMap<Connection, number>();

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
    bans: BanCheck,
    held: HeldAnswers,
  ) {
    this.#turns = new MessageTurns(node, bans, held, connection => this.#refuse(connection, 'input'));
  }

  onApplicationShutdown(): void {
    this.#turns.stop();
  }

  /** Counts a message; false after the server has begun to close the connection, and for one too many, which begins a close. */
  admit(connection: Connection): boolean {
    if (isSilenced(connection)) return this.#dropped(connection);
    const { messagesPerSecond } = this.node.limits;
    if (messagesPerSecond === 0) return true;
    const count = flowOf(connection).countMessage(this.node.attendedMs);
    if (count <= messagesPerSecond * this.#seconds) return true;
    this.#refuse(connection, 'messages');
    return false;
  }

  /** Counts a ping, or a pong that nobody asked for; too many end the connection. */
  pinged(connection: Connection): void {
    connection.pulse.bytesCame(this.node.attendedMs, this.node.clock.now());
    // Who is on the way out gets no answers, and has a deadline already.
    if (connection.closing !== null) return void this.#dropped(connection);
    const { limits, backpressure } = this.node.options;
    const { transport } = connection;
    const waiting = transport.bytesWaiting;
    const most = maxPieces(backpressure.maxBufferedBytes);
    // Each ping is answered, and nothing may drop that answer: so who does not read the answers goes.
    const isTooMuch =
      waiting > backpressure.maxBufferedBytes || (knownFlowOf(connection)?.isFull(most, transport) ?? false);
    if (isTooMuch) return this.#overrun(connection, waiting);
    if (limits.pingsPerSecond === 0) return;
    const count = flowOf(connection).countPing(this.node.attendedMs);
    if (count > limits.pingsPerSecond * this.#seconds) this.#refuse(connection, 'pings');
  }

  /** Reads no more of a client that goes on sending after the close frame: to read and drop a flood costs the time of the others. */
  #dropped(connection: Connection): false {
    const { bytesRead } = connection.transport;
    const before = this.#readAtClose.get(connection);
    if (before === undefined) this.#readAtClose.set(connection, bytesRead);
    else if (bytesRead - before > this.node.options.backpressure.maxBufferedBytes) {
      connection.transport.holdBack();
    }
    return false;
  }

  /** How many seconds' worth may be read in this one: after a stall, those of the stall too. */
  get #seconds(): number {
    return 1 + Math.ceil(this.node.recentStallMs / 1000);
  }

  /** Closes with 4004 and reads no more: a flood that is still read would cost the others their time. */
  #refuse(connection: Connection, limit: InputLimit): void {
    if (!connection.end({ code: CloseCodes.rate.code, reason: INPUT_LIMITS[limit], by: 'server' })) return;
    connection.note({ kind: 'limit', limit });
    connection.transport.holdBack();
    this.events.announce({ type: 'message-refused', id: connection.id, reason: 'rate' });
  }

  /** Whether a message that came in now may be handled at once; else it has to `wait`. */
  mayTake(connection: Connection, now: number): boolean {
    return this.#turns.mayTake(connection, now);
  }

  /** Keeps a message until it is its turn; false if too much waits, which begins a close. */
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

  drop(connection: Connection): void {
    this.#turns.drop(connection);
  }

  /** Destroys who leaves our answers unread: a Close frame would wait behind them. */
  #overrun(connection: Connection, bufferedBytes: number): void {
    const { code, name } = CloseCodes.slowConsumer;
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes, why: 'limit' });
    connection.note({ kind: 'unread', bufferedBytes });
    connection.destroy({ code, reason: name, by: 'server' });
  }
}
