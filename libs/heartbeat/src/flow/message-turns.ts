import type { Connection } from '../connection/connection.js';
import type { NodeState } from '../node/node-state.js';
import type { BanCheck } from '../connection/ports.js';
import { isSilenced } from '../connection/silence.js';
import { AfterPromises } from './after-promises.js';
import { queueOf } from './flow-record.js';
import type { HeldAnswers } from './held-answers.js';
import type { InputQueues } from './input-queues.js';
import type { InputQueue, RawMessage, Take } from './message-queue.js';
import { maxPieces } from './waiting-pieces.js';

/** Maximum time for messages in one turn of the event loop. The rest waits, so that timers and I/O run. */
const TURN_MS = 10;
/** Number of messages of one connection that are handled before the next connection has its turn. */
const MESSAGES_PER_VISIT = 16;

/**
 * Passes messages to their handlers. Messages that do not fit into a turn of the event loop wait and are served round robin. A connection
 * is not read until its queue is empty, so that one read limits the queue. A handler runs in promises, after the call that begins it. So
 * one begins only when the previous ones have run up to their first wait, and the clock shows their cost.
 */
export class MessageTurns {
  /** Connections whose work may continue, in the order of their turns. */
  readonly #ready = new Set<Connection>();
  readonly #after = new AfterPromises(() => this.#step());
  #turn: NodeJS.Immediate | null = null;
  #turnEndsAt = 0;
  /** Whether the next turn is for waiting messages, so that new messages wait too. */
  #owed = false;
  /** Whether this turn is for waiting messages. */
  #serving = false;
  /** Whether all handlers that have begun have run up to their first wait, so that the clock shows their cost. */
  #mayStart = true;
  /** Whether the next handler belongs to the first message of a read. */
  #isFirst = false;
  /** The connection of a message that was passed on, until its handlers have begun. */
  #passedOn: Connection | null = null;
  /** Messages of the first connection in its visit. */
  #visit = 0;
  #isOver = false;

  constructor(
    private readonly node: NodeState,
    private readonly bans: BanCheck,
    private readonly held: HeldAnswers,
    private readonly queues: InputQueues,
  ) {}

  stop(): void {
    this.#isOver = true;
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  /** Whether a message that arrives now may be handled at once; otherwise it must `wait`. */
  mayTake(connection: Connection, now: number): boolean {
    if (this.#turn === null) this.#beginTurn(now);
    if (queueOf(connection) || now >= this.#turnEndsAt || !this.#hasRoom(connection)) return false;
    // The first message of a read: the event loop starts each read when all promises have run.
    if (!connection.mayBurst && connection.inFlight === 0 && connection !== this.#passedOn)
      return (this.#mayStart = this.#isFirst = true);
    this.#isFirst = false;
    if (this.#mayStart) connection.mayBurst = false;
    return this.#mayStart;
  }

  /** Queues a message until its turn. Returns false if too much waits, which begins a close. */
  wait(connection: Connection, message: RawMessage, take: Take): boolean {
    const queue = this.#queue(connection);
    queue.take = take;
    if (!this.queues.add(connection, queue, message)) return false;
    if (!queue.isSuspended && this.#hasRoom(connection)) this.#ready.add(connection);
    return true;
  }

  /**
   * Runs a handler: at once where all begun handlers have run, otherwise in its turn and before all messages.
   * @param handler Never rejects.
   */
  run(connection: Connection, handler: () => Promise<void>): void {
    if (this.#mayStart && this.#hasRoom(connection)) return void this.#start(connection, handler);
    this.#queue(connection).handlers.push(handler);
    if (this.#hasRoom(connection)) this.#ready.add(connection);
  }

  /** Another library begins the handlers of a message now, or in a following tick. The next message begins after they have begun. */
  passOn(connection: Connection): void {
    this.#passedOn = connection;
    this.#mayStart = this.#isFirst = false;
    this.#request();
  }

  /**
   * Runs a handler of a message that was passed on: at once, or before all messages as soon as `maxInFlight` permits.
   * @param handler Never rejects.
   */
  join(connection: Connection, handler: () => Promise<void>): void {
    const waiting = queueOf(connection)?.handlers.length ?? 0;
    if (waiting === 0 && this.#hasRoom(connection)) return void this.#run(connection, handler);
    // Middleware of the application may hold any number of messages back, and let them go at once.
    if (waiting >= maxPieces(this.node.options.backpressure.maxBufferedBytes)) return this.queues.refuse(connection);
    this.#queue(connection).handlers.push(handler);
    if (this.#hasRoom(connection)) this.#ready.add(connection);
  }

  async #start(connection: Connection, handler: () => Promise<void>): Promise<void> {
    this.#mayStart = false;
    if (!this.#isFirst) this.#request();
    this.#isFirst = false;
    const number = this.#after.begin();
    await this.#run(connection, handler);
    if (!this.#isOver && this.#after.isSpared(number)) this.#workOn();
  }

  /** Counts a handler until it has ended. */
  async #run(connection: Connection, handler: () => Promise<void>): Promise<void> {
    connection.inFlight++;
    await handler();
    connection.inFlight--;
    this.#continue(connection);
  }

  /** Gives waiting work of a connection a turn, where there is some. */
  #continue(connection: Connection): void {
    if (this.#isOver || !queueOf(connection)) return;
    this.#ready.add(connection);
    if (this.#turn === null && !this.#serving) this.#beginTurn(this.node.clock.now());
  }

  #hasRoom({ inFlight }: Connection): boolean {
    return inFlight < this.node.options.limits.maxInFlight;
  }

  #queue(connection: Connection): InputQueue {
    const known = queueOf(connection);
    if (known) return known;
    this.#request();
    return this.queues.open(connection);
  }

  /** Requests the next step for when all promises have run. Answers are held until the rest that follows. */
  #request(): void {
    this.held.open();
    this.#after.request();
  }

  #beginTurn(now: number): void {
    this.#owed = false;
    this.#turnEndsAt = now + TURN_MS;
    this.#turn = setImmediate(() => this.#serve());
  }

  /** All handlers that have begun have run up to their first wait, so the work continues. */
  #step(): void {
    this.#isFirst = false;
    this.#passedOn = null;
    this.#workOn();
    if (!this.#mayStart) return;
    if (this.#ready.size > 0 && !this.#isOver) {
      if (this.#serving) this.#owed = true;
      this.#turn ??= setImmediate(() => this.#serve());
    }
    this.#rest();
  }

  /** Begins one handler, or takes messages up to the first with a handler, unless the time of the turn is over. */
  #workOn(): void {
    this.#mayStart = true;
    while (this.#mayStart && this.#ready.size > 0 && !this.#isOver) {
      const now = this.node.clock.now();
      if (now >= this.#turnEndsAt) return;
      const [connection] = this.#ready;
      this.#next(connection!, now);
    }
  }

  /** Ends the work of a turn: held answers are sent, and connections with messages left are no longer read. */
  #rest(): void {
    this.#serving = false;
    this.held.releaseAll();
    this.queues.rest();
  }

  /** Serves waiting messages, a few of each connection. If new messages have used up the turn, they are served in the next one. */
  #serve(): void {
    this.#turn = null;
    if (this.#ready.size === 0) return;
    const now = this.node.clock.now();
    if (!this.#owed && now >= this.#turnEndsAt) {
      this.#owed = true;
      this.#turn = setImmediate(() => this.#serve());
      return;
    }
    if (this.#owed) this.#turnEndsAt = now + TURN_MS;
    this.#owed = false;
    this.#serving = true;
    this.#request();
  }

  /** Does one unit of waiting work for a connection. After some units the next connection has its turn. */
  #next(connection: Connection, now: number): void {
    const queue = queueOf(connection);
    if (queue === null || !this.#hasRoom(connection)) return this.#leave(connection);
    const handler = queue.handlers.shift();
    if (handler) void this.#start(connection, handler);
    else if (queue.isSuspended) return this.#leave(connection);
    else this.#takeNext(connection, queue, now);
    // The application may have closed the connection meanwhile.
    if (queueOf(connection) !== queue) return;
    if (queue.handlers.length === 0 && queue.messages.bytes === 0 && !queue.isSuspended)
      return this.#letGo(connection, queue);
    if (!this.#hasRoom(connection)) return this.#leave(connection);
    if (++this.#visit < MESSAGES_PER_VISIT) return;
    this.#leave(connection);
    this.#ready.add(connection);
  }

  #leave(connection: Connection): void {
    this.#visit = 0;
    this.#ready.delete(connection);
  }

  #takeNext(connection: Connection, queue: InputQueue, now: number): void {
    this.bans.closeIfBanned(connection);
    if (isSilenced(connection)) queue.messages.clear();
    const message = this.queues.shift(queue);
    if (message !== undefined) queue.take(message, now);
  }

  resume(connection: Connection): void {
    this.queues.resume(connection);
    this.#continue(connection);
  }

  /** Drops the waiting messages. The handlers of a message that has begun still run. The socket is read on, for the close frame. */
  drop(connection: Connection): void {
    const queue = queueOf(connection);
    if (queue === null) return;
    this.queues.clear(queue);
    if (queue.handlers.length === 0) return this.#letGo(connection, queue);
    if (queue.isHeld) connection.channel.letGo();
    queue.isHeld = queue.isSuspended = false;
  }

  #letGo(connection: Connection, queue: InputQueue): void {
    this.#leave(connection);
    this.queues.close(connection, queue);
  }
}
