import { OPCODE, type Opcode } from './frames.js';

/** A control frame, or a whole message: fragments are joined, `opcode` is then that of the first. */
export interface ReceivedFrame {
  readonly opcode: Opcode;
  /** May be a view of the bytes that were read: valid until the next read, copy it to keep it. */
  readonly payload: Buffer;
}

interface FrameHeader {
  readonly final: boolean;
  readonly opcode: Opcode;
  readonly length: number;
  readonly bytes: number;
}

interface PartialFrame {
  readonly header: FrameHeader;
  readonly payload: Buffer;
  filled: number;
}

const LONGEST_MESSAGE = 16 * 1024 * 1024;
const LONGEST_CONTROL = 125;
const KNOWN_OPCODES: ReadonlySet<number> = new Set(Object.values(OPCODE));

/**
 * Takes the bytes of a server in any pieces and gives back whole frames. It keeps copies of what is
 * unfinished only, so the caller may reuse one read buffer for thousands of connections.
 */
export class FrameDecoder {
  #violation: string | null = null;
  #partialHeader: Buffer | null = null;
  #partialFrame: PartialFrame | null = null;
  #message: { opcode: Opcode; fragments: Buffer[]; length: number } | null = null;

  /** Why the peer broke the protocol, `null` while it did not. Nothing is decoded after that. */
  get violation(): string | null {
    return this.#violation;
  }

  /** The frames that these bytes complete, in order. */
  read(chunk: Buffer): ReceivedFrame[] {
    const frames: ReceivedFrame[] = [];
    let bytes = chunk;
    if (this.#partialHeader !== null) {
      bytes = Buffer.concat([this.#partialHeader, chunk]);
      this.#partialHeader = null;
    }
    let offset = this.#continueFrame(bytes, frames);
    while (offset < bytes.length && this.#violation === null) {
      const header = this.#readHeader(bytes, offset);
      if (header === null) {
        this.#partialHeader = Buffer.from(bytes.subarray(offset));
        break;
      }
      offset += header.bytes;
      const payload = bytes.subarray(offset, offset + header.length);
      offset += payload.length;
      if (this.#violation !== null) break;
      if (payload.length === header.length) this.#complete(header, payload, frames);
      else this.#partialFrame = startFrame(header, payload);
    }
    return frames;
  }

  /** Fills the frame that an earlier read left open. Returns how many bytes it took. */
  #continueFrame(bytes: Buffer, frames: ReceivedFrame[]): number {
    const partial = this.#partialFrame;
    if (partial === null) return 0;
    const taken = bytes.copy(partial.payload, partial.filled);
    partial.filled += taken;
    if (partial.filled === partial.payload.length) {
      this.#partialFrame = null;
      this.#complete(partial.header, partial.payload, frames);
    }
    return taken;
  }

  /** `null` while the header itself is unfinished. */
  #readHeader(bytes: Buffer, offset: number): FrameHeader | null {
    if (bytes.length - offset < 2) return null;
    const first = bytes[offset] as number;
    const second = bytes[offset + 1] as number;
    const short = second & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (bytes.length - offset < 2 + extended) return null;
    const length =
      extended === 0
        ? short
        : extended === 2
          ? bytes.readUInt16BE(offset + 2)
          : Number(bytes.readBigUInt64BE(offset + 2));
    const header = { final: (first & 0x80) !== 0, opcode: (first & 0x0f) as Opcode, length, bytes: 2 + extended };
    this.#violation = headerViolation(first, second, header);
    return header;
  }

  #complete(header: FrameHeader, payload: Buffer, frames: ReceivedFrame[]): void {
    const { opcode, final } = header;
    if (isControl(opcode)) {
      frames.push({ opcode, payload });
      return;
    }
    if ((opcode === OPCODE.continuation) !== (this.#message !== null)) {
      this.#violation = this.#message === null ? 'a continuation of nothing' : 'a message inside a message';
      return;
    }
    if (this.#message === null && final) {
      frames.push({ opcode, payload });
      return;
    }
    this.#message ??= { opcode, fragments: [], length: 0 };
    this.#message.fragments.push(Buffer.from(payload));
    this.#message.length += payload.length;
    if (this.#message.length > LONGEST_MESSAGE) this.#violation = 'a message over 16 MiB';
    if (!final) return;
    frames.push({ opcode: this.#message.opcode, payload: Buffer.concat(this.#message.fragments) });
    this.#message = null;
  }
}

function startFrame(header: FrameHeader, arrived: Buffer): PartialFrame {
  const payload = Buffer.allocUnsafe(header.length);
  return { header, payload, filled: arrived.copy(payload) };
}

function isControl(opcode: Opcode): boolean {
  return opcode >= OPCODE.close;
}

function headerViolation(first: number, second: number, { final, opcode, length }: FrameHeader): string | null {
  if ((first & 0x70) !== 0) return 'a reserved bit is set, and no extension was agreed';
  if ((second & 0x80) !== 0) return 'a masked frame from a server';
  if (!KNOWN_OPCODES.has(opcode)) return `an unknown opcode, ${opcode}`;
  if (isControl(opcode) && (!final || length > LONGEST_CONTROL))
    return 'a control frame that is fragmented or too long';
  if (length > LONGEST_MESSAGE) return 'a message over 16 MiB';
  return null;
}
