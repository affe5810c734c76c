import type { Share } from './input-total.js';

/** Memory of a message in a queue beside its content, in bytes: the measured maximum. */
export const MESSAGE_OVERHEAD_BYTES = 64;

const BLOCK_BYTES = 1024;
/** Before each message of a block: its length, and whether it is binary. */
const HEADER_BYTES = 3;
const MAX_PACKED_BYTES = BLOCK_BYTES - HEADER_BYTES;

/** A message as `ws` emits it. */
export interface RawMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** Begins to handle a message, at a monotonic time in milliseconds. */
export type Take = (message: RawMessage, now: number) => void;

/** The waiting work of one connection. */
export interface InputQueue {
  /** Handlers of a message that has begun. */
  readonly handlers: (() => Promise<void>)[];
  readonly messages: MessageQueue;
  readonly share: Share;
  take: Take;
  /** Whether the socket is not read until nothing waits. */
  isHeld: boolean;
  /** Whether none of the messages may begin. */
  isSuspended: boolean;
  /** The time since which it is not read, in monotonic milliseconds. */
  heldAt: number;
  isPauseNoted: boolean;
}

/** Messages stored side by side in one buffer of their own: one of Node's pool would keep 64 KiB since Node 24. */
class Block {
  readonly bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  written = 0;
  taken = 0;
}

/**
 * Messages that wait, in order. They stay as they arrived until `settle` is called. That copies them out of the read that they arrived in,
 * small ones into blocks: an object for each would cost about 300 bytes, and one read contains up to 9,000 messages of a byte.
 */
export class MessageQueue {
  /** Messages as they arrived, after those in `#settled`. Those before `#taken` are already handled. */
  #fresh: RawMessage[] = [];
  #taken = 0;
  #settled: (RawMessage | Block)[] = [];
  #bytes = 0;

  /** The memory of the waiting messages: content and overhead. */
  get bytes(): number {
    return this.#bytes;
  }

  push(message: RawMessage): void {
    this.#bytes += message.data.length + MESSAGE_OVERHEAD_BYTES;
    this.#fresh.push(message);
  }

  shift(): RawMessage | undefined {
    const message = this.#settled.length > 0 ? this.#shiftSettled() : this.#shiftFresh();
    if (message !== undefined) this.#bytes -= message.data.length + MESSAGE_OVERHEAD_BYTES;
    return message;
  }

  /** Copies messages that wait longer than the turn in which they arrived. */
  settle(): void {
    for (let at = this.#taken; at < this.#fresh.length; at++) this.#pack(this.#fresh[at]!);
    this.#fresh = [];
    this.#taken = 0;
  }

  clear(): void {
    this.#fresh = [];
    this.#settled = [];
    this.#taken = 0;
    this.#bytes = 0;
  }

  #shiftFresh(): RawMessage | undefined {
    const message = this.#fresh[this.#taken];
    if (message === undefined) return undefined;
    if (++this.#taken === this.#fresh.length) this.#fresh.length = this.#taken = 0;
    return message;
  }

  #shiftSettled(): RawMessage {
    const first = this.#settled[0]!;
    if (!(first instanceof Block)) {
      this.#settled.shift();
      return first;
    }
    const { bytes, taken } = first;
    const start = taken + HEADER_BYTES;
    const data = bytes.subarray(start, start + bytes.readUInt16LE(taken));
    first.taken = start + data.length;
    if (first.taken === first.written) this.#settled.shift();
    return { data, isBinary: bytes[taken + 2] === 1 };
  }

  #pack({ data, isBinary }: RawMessage): void {
    if (data.length > MAX_PACKED_BYTES) return void this.#settled.push({ data: detached(data), isBinary });
    let block = this.#settled.at(-1);
    if (!(block instanceof Block) || block.written + HEADER_BYTES + data.length > BLOCK_BYTES) {
      this.#settled.push((block = new Block()));
    }
    const { bytes, written } = block;
    bytes.writeUInt16LE(data.length, written);
    bytes[written + 2] = Number(isBinary);
    data.copy(bytes, written + HEADER_BYTES);
    block.written = written + HEADER_BYTES + data.length;
  }
}

export function emptyQueue(share: Share): InputQueue {
  return {
    handlers: [],
    messages: new MessageQueue(),
    share,
    take: ignoreMessage,
    isHeld: false,
    isSuspended: false,
    heldAt: 0,
    isPauseNoted: false,
  };
}

/** The initial value of `take`. */
export function ignoreMessage(): void {}

/** The content without the rest of the read that it arrived in, and in a buffer of its own. */
function detached(data: Buffer): Buffer {
  if (data.buffer.byteLength <= 2 * data.length) return data;
  const own = Buffer.allocUnsafeSlow(data.length);
  data.copy(own);
  return own;
}
