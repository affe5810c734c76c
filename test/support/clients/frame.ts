import { randomBytes } from 'node:crypto';

/** Opcodes of RFC 6455, section 5.2. */
export const Opcode = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** One frame as it stood on the wire, payload unmasked. */
export interface Frame {
  readonly fin: boolean;
  /** The three reserved bits as a number; 4 is RSV1, which permessage-deflate uses. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Buffer;
}

/** The input of {@link encodeFrame}. Nothing is checked: a test may want a frame that breaks the rules. */
export interface FrameToSend {
  readonly opcode: number;
  readonly payload?: Buffer | string;
  /** Default true. */
  readonly fin?: boolean;
  /** Reserved bits, 0–7. Default 0. */
  readonly rsv?: number;
  /** A client must mask; false writes the frame bare. Default true. */
  readonly mask?: boolean;
  /** The length that the header claims, when it is to differ from the payload's. */
  readonly claimedLength?: number;
}

/** The bytes of one frame (RFC 6455, section 5.2). */
export function encodeFrame(frame: FrameToSend): Buffer {
  const { opcode, payload = '', fin = true, rsv = 0, mask = true } = frame;
  const body = Buffer.from(payload as string);
  const header = encodeHeader((fin ? 0x80 : 0) | (rsv << 4) | opcode, frame.claimedLength ?? body.length, mask);
  if (!mask) return Buffer.concat([header, body]);
  const key = randomBytes(4);
  xor(body, key);
  return Buffer.concat([header, key, body]);
}

/** A Close frame's payload: the code in two bytes, then the reason (section 5.5.1). */
export function closePayload(code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}

/** Cuts a byte stream into frames; chunks may end anywhere. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Bytes of a frame that has not arrived completely. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** Takes the next bytes and returns the frames that are complete now. */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | null {
    const size = this.#frameSize();
    if (size === null || this.#length < size.header + size.payload) return null;
    const bytes = this.#take(size.header + size.payload);
    const first = bytes[0] ?? 0;
    const masked = size.key > 0;
    // Masking is undone on a copy: the chunk belongs to the socket's reader.
    const payload = masked ? Buffer.from(bytes.subarray(size.header)) : bytes.subarray(size.header);
    if (masked) xor(payload, bytes.subarray(size.header - 4, size.header));
    return { fin: (first & 0x80) !== 0, rsv: (first >> 4) & 0x7, opcode: first & 0xf, masked, payload };
  }

  /** Sizes in bytes of the frame at the front, null while its header is incomplete. `header` includes the masking key. */
  #frameSize(): { header: number; key: number; payload: number } | null {
    if (this.#length < 2) return null;
    const front = this.#peek(Math.min(this.#length, 10));
    const second = front[1] ?? 0;
    const key = (second & 0x80) !== 0 ? 4 : 0;
    const short = second & 0x7f;
    if (short < 126) return { header: 2 + key, key, payload: short };
    if (short === 126) return front.length < 4 ? null : { header: 4 + key, key, payload: front.readUInt16BE(2) };
    return front.length < 10 ? null : { header: 10 + key, key, payload: Number(front.readBigUInt64BE(2)) };
  }

  #peek(count: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= count) return first;
    return this.#join();
  }

  #take(count: number): Buffer {
    const all = this.#join();
    this.#length -= count;
    this.#chunks = this.#length === 0 ? [] : [all.subarray(count)];
    return all.subarray(0, count);
  }

  #join(): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

function encodeHeader(first: number, length: number, mask: boolean): Buffer {
  const maskBit = mask ? 0x80 : 0;
  if (length < 126) return Buffer.from([first, maskBit | length]);
  if (length < 65_536) return Buffer.from([first, maskBit | 126, length >> 8, length & 0xff]);
  const header = Buffer.alloc(10);
  header[0] = first;
  header[1] = maskBit | 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

function xor(bytes: Buffer, key: Buffer): void {
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = (bytes[i] ?? 0) ^ (key[i & 3] ?? 0);
}
