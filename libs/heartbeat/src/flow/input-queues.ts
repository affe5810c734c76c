import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { isSilenced } from '../connection/silence.js';
import type { NodeState } from '../node/node-state.js';
import { flowOf, queueOf } from './flow-record.js';
import { InputTotal } from './input-total.js';
import { noteResume } from './reading-pause.js';
import { emptyQueue, ignoreMessage, type InputQueue, type RawMessage } from './message-queue.js';

const MAX_SPARE = 64;
/** Part of `maxBufferedBytes` above which a suspended connection is no longer read. */
const SUSPENDED_PART = 1 / 4;
/** The same above which it is closed: the rest of the read, which may be as large as the limit, still arrives. */
const SUSPENDED_MOST = 2;

/** The queues of all connections: their memory, and the reading of connections whose messages wait. */
export class InputQueues {
  /** Connections with waiting work since the last rest. */
  readonly #visited = new Set<Connection>();
  readonly #total: InputTotal;
  /** Empty queues for reuse. */
  readonly #spare: InputQueue[] = [];

  /** @param refuse Closes a connection of which too much waits. */
  constructor(
    private readonly node: NodeState,
    readonly refuse: (connection: Connection) => void,
  ) {
    this.#total = new InputTotal(node);
  }

  /** Creates the queue of a connection that has none. */
  open(connection: Connection): InputQueue {
    const queue = this.#spare.pop() ?? emptyQueue(this.#total.open());
    flowOf(connection).queue = queue;
    this.#visited.add(connection);
    return queue;
  }

  /** Returns false if too much waits, which begins a close. */
  add(connection: Connection, queue: InputQueue, message: RawMessage): boolean {
    queue.messages.push(message);
    // One read may contain much more than was sent, where messages are deflated.
    const { maxBufferedBytes } = this.node.options.backpressure;
    if (queue.messages.bytes > maxBufferedBytes * (queue.isSuspended ? SUSPENDED_MOST : 1))
      return this.#refuse(connection);
    if (queue.isSuspended) this.#keep(connection, queue);
    else if (queue.isHeld && !this.#total.settle(queue.share, queue.messages)) return this.#refuse(connection);
    return true;
  }

  shift({ messages, share }: InputQueue): RawMessage | undefined {
    const message = messages.shift();
    if (share.isKept) this.#total.set(share, messages.bytes);
    return message;
  }

  /** A message that arrives finds a queue, even an empty one, and waits in it. All wait until `resume`, and the connection is read, unless much waits. */
  suspend(connection: Connection): void {
    const queue = queueOf(connection) ?? this.open(connection);
    queue.isSuspended = true;
    if (queue.isHeld) {
      connection.channel.letGo();
      noteResume(connection, queue, this.node.clock.now());
    }
    queue.isHeld = false;
    this.#keep(connection, queue);
  }

  /** The messages may begin, and those of the next turns wait behind them. */
  resume(connection: Connection): void {
    const queue = queueOf(connection);
    if (!queue?.isSuspended) return;
    queue.isSuspended = false;
    this.#visited.add(connection);
  }

  /** Drops the messages. */
  clear({ messages, share }: InputQueue): void {
    messages.clear();
    this.#total.set(share, 0);
  }

  /** At the end of a turn, connections with messages left are no longer read. */
  rest(): void {
    if (this.#visited.size === 0) return;
    for (const connection of this.#visited) {
      const queue = queueOf(connection);
      if (queue === null || queue.isHeld || queue.isSuspended || isSilenced(connection)) continue;
      this.#hold(connection, queue);
      this.#total.keep(queue.share, connection);
      if (!this.#total.settle(queue.share, queue.messages)) this.refuse(connection);
    }
    this.#visited.clear();
  }

  /** Keeps the messages of a suspended connection beyond the turn. No limit closes it here: a reply may be awaited. */
  #keep(connection: Connection, queue: InputQueue): void {
    const { share, messages, isHeld } = queue;
    this.#total.keep(share, connection);
    const fits = this.#total.settle(share, messages);
    const most = this.node.options.backpressure.maxBufferedBytes * SUSPENDED_PART;
    if (!isHeld && (!fits || messages.bytes > most)) this.#hold(connection, queue);
  }

  #refuse(connection: Connection): false {
    this.refuse(connection);
    return false;
  }

  #hold(connection: Connection, queue: InputQueue): void {
    queue.isHeld = true;
    queue.heldAt = this.node.clock.now();
    connection.channel.holdBack();
  }

  /** Ends a queue in which nothing waits. Its connection is read again. */
  close(connection: Connection, queue: InputQueue): void {
    const { isHeld, share } = queue;
    flowOf(connection).queue = null;
    queue.isSuspended = false;
    connection.mayBurst = isHeld;
    // A refused flood is no longer read.
    if (isHeld && connection.closing?.code !== CloseCodes.rate.code) {
      connection.channel.letGo();
      noteResume(connection, queue, this.node.clock.now());
    }
    // The queue must not reference the connection.
    queue.take = ignoreMessage;
    if (share.isKept) this.#total.close(share);
    else if (this.#spare.length < MAX_SPARE) this.#spare.push(queue);
  }
}
