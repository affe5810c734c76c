import { type FrameHeader, Opcode, readFrameHeader } from './frames.js';

/** A control frame, or a whole message: fragments are joined, `opcode` is then that of the first. */
export interface ReceivedFrame {
  readonly opcode: Opcode;
  /** May be a view of the bytes that were read: valid until the next read, copy it to keep it. */
  readonly payload: Buffer;
  /** Whether the payload is compressed (RFC 7692). */
  readonly isCompressed: boolean;
}

interface PartialFrame {
  readonly header: FrameHeader;
  readonly payload: Buffer;
  filled: number;
}

const LONGEST_MESSAGE = 16 * 1024 * 1024;
const LONGEST_CONTROL = 125;
/** The reserved bit of a compressed message (RFC 7692, section 6). */
const RSV1 = 4;
const KNOWN_OPCODES: ReadonlySet<number> = new Set(Object.values(Opcode));

/**
 * Takes the bytes of a server in any pieces and gives back whole frames. It keeps copies of what is
 * unfinished only, so the caller may reuse one read buffer for thousands of connections.
 */
export class FrameDecoder {
  /** Whether permessage-deflate was agreed, so that messages may be compressed. Default false. */
  mayCompress = false;
  #violation: string | null = null;
  #partialHeader: Buffer | null = null;
  #partialFrame: PartialFrame | null = null;
  #message: { opcode: Opcode; isCompressed: boolean; fragments: Buffer[]; length: number } | null = null;

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
      const header = readFrameHeader(bytes, offset);
      if (header === null) {
        this.#partialHeader = Buffer.from(bytes.subarray(offset));
        break;
      }
      this.#violation = headerViolation(header, this.mayCompress);
      if (this.#violation !== null) break;
      offset += header.bytes;
      const payload = bytes.subarray(offset, offset + header.length);
      offset += payload.length;
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

  #complete(header: FrameHeader, payload: Buffer, frames: ReceivedFrame[]): void {
    const opcode = header.opcode as Opcode;
    const { fin } = header;
    const isCompressed = header.rsv === RSV1;
    if (isControl(opcode)) {
      frames.push({ opcode, payload, isCompressed });
      return;
    }
    if ((opcode === Opcode.continuation) !== (this.#message !== null)) {
      this.#violation = this.#message === null ? 'a continuation of nothing' : 'a message inside a message';
      return;
    }
    if (this.#message === null && fin) {
      frames.push({ opcode, payload, isCompressed });
      return;
    }
    this.#message ??= { opcode, isCompressed, fragments: [], length: 0 };
    this.#message.fragments.push(Buffer.from(payload));
    this.#message.length += payload.length;
    if (this.#message.length > LONGEST_MESSAGE) this.#violation = 'a message over 16 MiB';
    if (!fin) return;
    frames.push({
      opcode: this.#message.opcode,
      payload: Buffer.concat(this.#message.fragments),
      isCompressed: this.#message.isCompressed,
    });
    this.#message = null;
  }
}

function startFrame(header: FrameHeader, arrived: Buffer): PartialFrame {
  const payload = Buffer.allocUnsafe(header.length);
  return { header, payload, filled: arrived.copy(payload) };
}

function isControl(opcode: number): boolean {
  return opcode >= Opcode.close;
}

function headerViolation({ fin, rsv, opcode, masked, length }: FrameHeader, mayCompress: boolean): string | null {
  const startsMessage = opcode === Opcode.text || opcode === Opcode.binary;
  if (rsv !== 0 && !(mayCompress && rsv === RSV1 && startsMessage))
    return 'a reserved bit is set, and no extension was agreed';
  if (masked) return 'a masked frame from a server';
  if (!KNOWN_OPCODES.has(opcode)) return `an unknown opcode, ${opcode}`;
  if (isControl(opcode) && (!fin || length > LONGEST_CONTROL)) return 'a control frame that is fragmented or too long';
  if (length > LONGEST_MESSAGE) return 'a message over 16 MiB';
  return null;
}
