import { inSlices } from '../base/slices.js';
import type { Connection } from '../connection/connection.js';
import { transmitShared } from '../connection/sending.js';
import { SharedMessage } from '../connection/shared-message.js';

/** What waits may take so much, the lists of receivers included; above it a new message has the oldest one finished first. */
const MAX_BYTES = 32 * 1024 * 1024;
/** So many messages may wait. */
const MAX_MESSAGES = 1000;
/** What one receiver in the list of a message takes. */
const RECEIVER_BYTES = 8;
/** Sends that are made at once: a few receivers do not wait for what is under way to thousands of others. */
const MAX_AT_ONCE = 64;

/** A message that is under way, and how far it has come. */
interface UnderWay {
  /** Rises from message to message. */
  readonly number: number;
  readonly message: SharedMessage;
  /** In the order of their serials. */
  readonly receivers: readonly Connection[];
  readonly bytes: number;
  /** How many of the receivers it has passed. */
  done: number;
}

/**
 * Messages to many, sent in slices: thousands of writes in one turn would hold the event loop for as many times ten microseconds. The
 * order of a connection is that of the calls: before it is sent something else, or closed, it gets what is under way to it.
 * The queue is bounded in messages and in bytes. At the bound a call takes the time for the oldest message itself.
 */
export class Broadcast {
  readonly #queue: UnderWay[] = [];
  #bytes = 0;
  #number = 0;
  #isSending = false;

  /** Bytes of the messages that are under way, and of their lists. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sends to all of `receivers`; the first slice has gone out when it returns, unless others are under way. */
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

  /** Sends what `connection` has still to get of all messages up to one, before anything else is done with it. */
  catchUp(connection: Connection, upTo = this.#number): void {
    if (this.#queue.length === 0) return;
    for (let next; (next = this.#after(connection.lastShared)) !== undefined && next.number <= upTo;) {
      // First: to send may end in a close, which catches up too.
      connection.lastShared = next.number;
      if (includes(next.receivers, connection)) transmitShared(connection, next.message);
    }
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    try {
      await inSlices(this.#steps(), receiver => this.#sendFirst(receiver));
    } finally {
      this.#isSending = false;
    }
  }

  /** Sends the oldest message, before which nothing is left to be sent. */
  #sendFirst(receiver: Connection): void {
    const oldest = this.#queue[0];
    if (oldest === undefined || receiver.lastShared >= oldest.number) return;
    receiver.lastShared = oldest.number;
    transmitShared(receiver, oldest.message);
  }

  /** The receivers of one message after the other, always of the oldest. */
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

/** Where the items begin for which `holds` is true, in a list in which it is false for all before those. */
function firstPlace<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let [from, to] = [0, items.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (holds(items[middle]!)) to = middle;
    else from = middle + 1;
  }
  return from;
}
