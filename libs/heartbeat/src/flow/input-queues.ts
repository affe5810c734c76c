import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { isSilenced } from '../connection/silence.js';
import type { NodeState } from '../node/node-state.js';
import { flowOf, queueOf } from './flow-record.js';
import { InputTotal } from './input-total.js';
import { emptyQueue, ignoreMessage, type InputQueue, type RawMessage } from './message-queue.js';

const MAX_SPARE = 64;

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
    private readonly refuse: (connection: Connection) => void,
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

  /** Returns false if too much waits. */
  add(queue: InputQueue, message: RawMessage): boolean {
    queue.messages.push(message);
    // One read may contain much more than was sent, where messages are deflated.
    if (queue.messages.bytes > this.node.options.backpressure.maxBufferedBytes) return false;
    return !queue.isHeld || this.#total.settle(queue.share, queue.messages);
  }

  shift({ messages, share }: InputQueue): RawMessage | undefined {
    const message = messages.shift();
    if (share.isKept) this.#total.set(share, messages.bytes);
    return message;
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
      if (queue === null || queue.isHeld || isSilenced(connection)) continue;
      queue.isHeld = true;
      connection.channel.holdBack();
      this.#total.keep(queue.share, connection);
      if (!this.#total.settle(queue.share, queue.messages)) this.refuse(connection);
    }
    this.#visited.clear();
  }

  /** Ends a queue in which nothing waits. Its connection is read again. */
  close(connection: Connection, queue: InputQueue): void {
    const { isHeld, share } = queue;
    flowOf(connection).queue = null;
    connection.mayBurst = isHeld;
    // A refused flood is no longer read.
    if (isHeld && connection.closing?.code !== CloseCodes.rate.code) connection.channel.letGo();
    // The queue must not reference the connection.
    queue.take = ignoreMessage;
    if (share.isKept) this.#total.close(share);
    else if (this.#spare.length < MAX_SPARE) this.#spare.push(queue);
  }
}
