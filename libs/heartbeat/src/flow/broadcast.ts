import { inSlices } from '../base/slices.js';
import type { Connection } from '../connection/connection.js';
import { transmitShared } from '../connection/sending.js';
import { SharedMessage } from '../connection/shared-message.js';

/** Maximum size of pending messages, including their lists of receivers. Above it, a new message first finishes the oldest one. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Maximum number of pending messages. */
const MAX_MESSAGES = 1000;
/** Memory of one receiver in the list of a message. */
const RECEIVER_BYTES = 8;
/** Sends that are made at once: a few receivers do not wait for pending messages to thousands of others. */
const MAX_AT_ONCE = 64;

/** A pending message and its progress. */
interface UnderWay {
  /** Increases with each message. */
  readonly number: number;
  readonly message: SharedMessage;
  /** Sorted by serial. */
  readonly receivers: readonly Connection[];
  readonly bytes: number;
  /** Number of receivers that are done. */
  done: number;
}

/**
 * Messages to many connections, sent in slices: thousands of writes in one turn would hold the event loop for ten microseconds each. Each
 * connection receives messages in the order of the calls: before another message or a close, its pending broadcasts are sent. The queue is
 * bounded in messages and in bytes. At the bound, a call itself sends the rest of the oldest message.
 */
export class Broadcast {
  readonly #queue: UnderWay[] = [];
  #bytes = 0;
  #number = 0;
  #isSending = false;

  /** Bytes of the pending messages and of their lists. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sends to all of `receivers`. The first slice is sent when it returns, unless other messages are pending. */
  start(payload: string | Buffer, receivers: readonly Connection[]): void {
    if (receivers.length === 0) return;
    const message = new SharedMessage(payload);
    const bytes = message.payload.length + receivers.length * RECEIVER_BYTES;
    for (let oldest; this.#isFull(bytes) && (oldest = this.#queue[0]) !== undefined;) this.#finish(oldest);
    const last: UnderWay = { number: ++this.#number, message, receivers: inOrder(receivers), bytes, done: 0 };
    this.#queue.push(last);
    this.#bytes += bytes;
    if (receivers.length * this.#queue.length <= MAX_AT_ONCE) this.#finish(last);
    else if (!this.#isSending) void this.#send();
  }

  /** Sends the pending messages up to a number to `connection`, before any other operation on it. */
  catchUp(connection: Connection, upTo = this.#number): void {
    if (this.#queue.length === 0) return;
    for (let next; (next = this.#after(connection.lastShared)) !== undefined && next.number <= upTo;) {
      // Set first, since sending may end in a close, which catches up too.
      connection.lastShared = next.number;
      if (includes(next.receivers, connection)) transmitShared(connection, next.message);
    }
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    try {
      // Few receivers fit into the first slice: then another message may begin in the same turn, before this one resumes.
      while (this.#queue.length > 0) await inSlices(this.#steps(), receiver => this.#sendFirst(receiver));
    } finally {
      this.#isSending = false;
    }
  }

  /** Sends the oldest message; there is no earlier pending one. */
  #sendFirst(receiver: Connection): void {
    const oldest = this.#queue[0];
    if (oldest === undefined || receiver.lastShared >= oldest.number) return;
    receiver.lastShared = oldest.number;
    transmitShared(receiver, oldest.message);
  }

  /** The receivers of the pending messages, always of the oldest first. */
  *#steps(): Iterable<Connection> {
    for (let oldest; (oldest = this.#queue[0]) !== undefined; this.#remove(oldest)) {
      for (let receiver; (receiver = oldest.receivers[oldest.done++]) !== undefined;) {
        yield receiver;
      }
    }
  }

  /** Sends the rest of a message now. */
  #finish(underWay: UnderWay): void {
    for (let receiver; (receiver = underWay.receivers[underWay.done++]) !== undefined;) {
      this.catchUp(receiver, underWay.number);
    }
    this.#remove(underWay);
  }

  #remove(underWay: UnderWay): void {
    const place = this.#queue.indexOf(underWay);
    if (place === -1) return;
    this.#queue.splice(place, 1);
    this.#bytes -= underWay.bytes;
  }

  #isFull(bytes: number): boolean {
    return this.#queue.length >= MAX_MESSAGES || this.#bytes + bytes > MAX_BYTES;
  }

  /** The first message in the queue with a higher number. */
  #after(number: number): UnderWay | undefined {
    return this.#queue[firstPlace(this.#queue, underWay => underWay.number > number)];
  }
}

function inOrder(receivers: readonly Connection[]): readonly Connection[] {
  const isInOrder = receivers.every(({ serial }, place) => place === 0 || receivers[place - 1]!.serial < serial);
  return isInOrder ? receivers : receivers.toSorted((one, other) => one.serial - other.serial);
}

function includes(receivers: readonly Connection[], connection: Connection): boolean {
  return receivers[firstPlace(receivers, ({ serial }) => serial >= connection.serial)] === connection;
}

/** The index of the first item for which `holds` is true; it is false for all items before. */
function firstPlace<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let [from, to] = [0, items.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (holds(items[middle]!)) to = middle;
    else from = middle + 1;
  }
  return from;
}
