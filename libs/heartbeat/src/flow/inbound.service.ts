import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../close-code.js';
import type { Connection } from '../connection/connection.js';
import { NodeState } from '../connection/node-state.js';
import type { TrackedSocket } from '../connection/tracked-socket.js';
import { maxPieces } from '../connection/waiting-pieces.js';
import { HeartbeatEvents } from '../heartbeat.events.js';

/** How long the messages of one turn of the event loop are handled at once; the rest waits, so that timers and others have theirs. */
const TURN_MS = 10;
/** Messages that one connection has handled before it is the next one's turn. */
const MESSAGES_PER_VISIT = 16;

/**
 * Guards what comes in: more messages than a connection may send, and more handlers at once than it may have. Whoever floods waits for itself: what does not fit into a turn of the loop is served round robin, and until a
 * connection's own queue is empty it is not read, so that the queue is bounded by what one read had brought in.
 */
@Injectable()
export class InboundService implements OnApplicationShutdown {
  /** Work that waits, by connection; held weakly, since a handler that never ends must not keep one alive. */
  readonly #waiting = new WeakMap<Connection, Queue>();
  /** Whose work may go on, in the order of their turns. */
  readonly #ready = new Set<Connection>();
  #turn: NodeJS.Immediate | null = null;
  #turnEndsAt = 0;
  #isOver = false;

  constructor(
    private readonly node: NodeState,
    private readonly events: HeartbeatEvents,
  ) {}

  onApplicationShutdown(): void {
    this.#isOver = true;
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  /** Counts a message; false if it came too soon after too many others, which ends the connection. */
  admit(connection: Connection): boolean {
    if (isMuted(connection)) return false;
    const { messagesPerSecond } = this.node.options.limits;
    if (messagesPerSecond === 0) return true;
    this.#countIn(connection);
    if (++connection.pulse.messagesInSecond <= messagesPerSecond * this.#seconds) return true;
    this.#refuse(connection, 'too many messages');
    return false;
  }

  /** Counts a ping, or a pong that nobody asked for; too many end the connection. */
  pinged(connection: Connection): void {
    connection.countBytes(this.node.clock.now());
    // Who is on the way out gets no answers, and has a deadline already.
    if (connection.closing !== null) return;
    const { limits, backpressure } = this.node.options;
    const waiting = connection.socket.bufferedAmount;
    // Each ping is answered, and nothing may drop that answer: so who does not read the answers goes.
    const isTooMuch =
      waiting > backpressure.maxBufferedBytes || connection.isFull(maxPieces(backpressure.maxBufferedBytes));
    if (isTooMuch) return this.#overrun(connection, waiting);
    if (limits.pingsPerSecond === 0) return;
    this.#countIn(connection);
    const most = limits.pingsPerSecond * this.#seconds;
    if (++connection.pulse.pingsInSecond > most) this.#refuse(connection, 'too many pings');
  }

  /** How many seconds' worth may be read in this one: after a stall, those of the stall too. */
  get #seconds(): number {
    return 1 + Math.ceil(this.node.recentStallMs / 1000);
  }

  /** Begins a new second of counting when the last one is over. */
  #countIn({ pulse }: Connection): void {
    const second = Math.floor(this.node.attendedMs / 1000);
    if (pulse.second === second) return;
    pulse.second = second;
    pulse.messagesInSecond = pulse.pingsInSecond = 0;
  }

  /** Closes with 4004 and reads no more: a flood that is still read would cost the others their time. */
  #refuse(connection: Connection, why: string): void {
    if (!connection.end({ code: CloseCodes.rate.code, reason: why, by: 'server' })) return;
    connection.note(why);
    this.#waiting.delete(connection);
    this.#ready.delete(connection);
    (connection.socket as TrackedSocket).holdBack();
    this.events.announce({ type: 'message-refused', id: connection.id, reason: 'rate' });
  }

  /** Whether a message that came in now may be handled at once; else it has to `wait`. */
  mayTake(connection: Connection, now: number): boolean {
    if (this.#turn === null) {
      this.#turnEndsAt = now + TURN_MS;
      this.#turn = setImmediate(() => this.#serve());
    }
    return now < this.#turnEndsAt && this.#hasRoom(connection) && !this.#waiting.has(connection);
  }

  /** Keeps what is to be done with a message of so many bytes until it is its turn. */
  wait(connection: Connection, bytes: number, work: () => void): void {
    if (isMuted(connection)) return;
    const queue = this.#queue(connection);
    queue.bytes += bytes;
    // One read may hold much more than was sent, where messages are deflated.
    if (queue.bytes > this.node.options.backpressure.maxBufferedBytes)
      return this.#refuse(connection, 'too much at once');
    queue.works.push({ bytes, work });
    if (this.#hasRoom(connection)) this.#ready.add(connection);
  }

  /**
   * Runs a handler, or lets it wait, before all messages, while `maxInFlight` of this connection run.
   * @param handler Never rejects.
   */
  run(connection: Connection, handler: () => Promise<void>): void {
    if (this.#hasRoom(connection)) return void this.#start(connection, handler);
    const queue = this.#queue(connection);
    queue.works.splice(queue.handlers++, 0, { bytes: 0, work: () => void this.#start(connection, handler) });
  }

  async #start(connection: Connection, handler: () => Promise<void>): Promise<void> {
    connection.inFlight++;
    await handler();
    connection.inFlight--;
    if (this.#isOver || !this.#waiting.has(connection)) return;
    this.#ready.add(connection);
    this.#turn ??= setImmediate(() => this.#serve());
  }

  #hasRoom({ inFlight }: Connection): boolean {
    return inFlight < this.node.options.limits.maxInFlight;
  }

  /** What waits for this connection; while anything does, it is not read. */
  #queue(connection: Connection): Queue {
    const known = this.#waiting.get(connection);
    if (known) return known;
    const queue: Queue = { works: [], handlers: 0, bytes: 0 };
    this.#waiting.set(connection, queue);
    (connection.socket as TrackedSocket).holdBack();
    return queue;
  }

  /** One slice of what waits, a few of each connection in turn; what is left comes after the I/O that is waiting. */
  #serve(): void {
    const { clock } = this.node;
    const end = clock.now() + TURN_MS;
    for (const connection of this.#ready) {
      this.#ready.delete(connection);
      // A set goes on with what was added meanwhile: whoever has more to do is put at its end.
      if (this.#visit(connection)) this.#ready.add(connection);
      if (clock.now() > end) break;
    }
    this.#turn = this.#ready.size > 0 ? setImmediate(() => this.#serve()) : null;
    this.#turnEndsAt = 0;
  }

  /** Does a few things that wait for a connection; answers whether it could go on. */
  #visit(connection: Connection): boolean {
    const queue = this.#waiting.get(connection);
    if (queue === undefined) return false;
    for (let visit = 0; visit < MESSAGES_PER_VISIT && this.#hasRoom(connection); visit++) {
      const next = isMuted(connection) ? undefined : queue.works.shift();
      if (next === undefined) return this.#letGo(connection);
      queue.bytes -= next.bytes;
      queue.handlers = Math.max(0, queue.handlers - 1);
      next.work();
    }
    return this.#hasRoom(connection);
  }

  #letGo(connection: Connection): false {
    this.#waiting.delete(connection);
    // A flood that was refused is read no more.
    if (!isMuted(connection)) (connection.socket as TrackedSocket).letGo();
    return false;
  }

  /** Destroys who leaves our answers unread: a Close frame would wait behind them. */
  #overrun(connection: Connection, bufferedBytes: number): void {
    const { code, name } = CloseCodes.slowConsumer;
    this.events.announce({ type: 'slow', id: connection.id, bufferedBytes, why: 'limit' });
    connection.note(`${bufferedBytes} bytes waited for it when it sent a ping`);
    connection.destroy({ code, reason: name, by: 'server' });
  }
}

/** Whose messages are not handled any more: who was refused for its rate, or is gone by our doing. What came before a client's own end counts. */
function isMuted({ closing, ended }: Connection): boolean {
  if (closing === null) return false;
  return closing.code === CloseCodes.rate.code || (ended && (closing.by === 'server' || closing.by === 'operator'));
}

/** What of one connection has to wait. */
interface Queue {
  readonly works: { readonly bytes: number; readonly work: () => void }[];
  /** How many of them, at the beginning, are handlers of a message that was taken already. */
  handlers: number;
  /** Of all messages in it. */
  bytes: number;
}
