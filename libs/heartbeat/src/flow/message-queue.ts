import type { Share } from './input-total.js';

/** What a message costs in a queue beside its content, in bytes, at the most that was measured. */
export const MESSAGE_OVERHEAD_BYTES = 64;

const BLOCK_BYTES = 1024;
/** Before each message of a block: its length, and whether it is binary. */
const HEADER_BYTES = 3;
const MAX_PACKED_BYTES = BLOCK_BYTES - HEADER_BYTES;

/** A message as `ws` brings it. */
export interface RawMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** Begins with a message. */
export type Take = (message: RawMessage) => void;

/** What of one connection has to wait. */
export interface InputQueue {
  /** Of a message that has begun. */
  readonly handlers: (() => Promise<void>)[];
  readonly messages: MessageQueue;
  readonly share: Share;
  take: Take;
  /** Whether the socket is not read until nothing waits. */
  isHeld: boolean;
}

/** Messages side by side in one piece of memory. */
class Block {
  readonly bytes = Buffer.allocUnsafe(BLOCK_BYTES);
  written = 0;
  taken = 0;
}

/**
 * Messages that wait, in order. Small ones are copied into blocks: an object for each would cost some 300 bytes, and one read
 * brings up to 9,000 messages of a byte.
 */
export class MessageQueue {
  #pieces: (RawMessage | Block)[] = [];
  #bytes = 0;

  /** The memory that waits: content and overhead. */
  get bytes(): number {
    return this.#bytes;
  }

  push(data: Buffer, isBinary: boolean): void {
    this.#bytes += data.length + MESSAGE_OVERHEAD_BYTES;
    if (data.length > MAX_PACKED_BYTES) return void this.#pieces.push({ data: detached(data), isBinary });
    let block = this.#pieces.at(-1);
    if (!(block instanceof Block) || block.written + HEADER_BYTES + data.length > BLOCK_BYTES) {
      this.#pieces.push((block = new Block()));
    }
    const { bytes, written } = block;
    bytes.writeUInt16LE(data.length, written);
    bytes[written + 2] = Number(isBinary);
    data.copy(bytes, written + HEADER_BYTES);
    block.written = written + HEADER_BYTES + data.length;
  }

  shift(): RawMessage | undefined {
    const [first] = this.#pieces;
    if (first === undefined) return undefined;
    if (!(first instanceof Block)) {
      this.#pieces.shift();
      this.#bytes -= first.data.length + MESSAGE_OVERHEAD_BYTES;
      return first;
    }
    const { bytes, taken } = first;
    const start = taken + HEADER_BYTES;
    const data = bytes.subarray(start, start + bytes.readUInt16LE(taken));
    first.taken = start + data.length;
    if (first.taken === first.written) this.#pieces.shift();
    this.#bytes -= data.length + MESSAGE_OVERHEAD_BYTES;
    return { data, isBinary: bytes[taken + 2] === 1 };
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}

/** The content without the rest of the read that it came in. */
function detached(data: Buffer): Buffer {
  return data.buffer.byteLength > 2 * data.length ? Buffer.from(data) : data;
}
