/** Frames of RFC 6455, section 5.2. A client sends them masked, a server bare. */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** A close frame may come without a code (RFC 6455 section 7.1.5). */
export const NO_STATUS = 1005;
/** The code that a peer records when a connection ends without a close frame. */
export const ABNORMAL_CLOSURE = 1006;

const FINAL = 0x80;
const MASKED = 0x80;

/** The frame that {@link encodeFrame} writes. Nothing is checked: a test may want one that breaks the rules. */
export interface FrameToSend {
  readonly opcode: number;
  /** Text is written as UTF-8. Default empty. */
  readonly payload?: Uint8Array | string;
  /** Default true. */
  readonly fin?: boolean;
  /** Reserved bits, 0 to 7; 4 is RSV1, which permessage-deflate uses. Default 0. */
  readonly rsv?: number;
  /** The 32-bit masking key; false writes the frame bare, as a server does. Default a random key. */
  readonly mask?: number | false;
  /** The length in the header, where it is not that of the payload. */
  readonly claimedLength?: number;
}

/** The bytes of one frame. */
export function encodeFrame(frame: FrameToSend): Buffer {
  // The key protects caches of proxies (RFC 6455 section 10.3): between two loopback addresses there are none.
  const { opcode, payload = '', fin = true, rsv = 0, mask = Math.random() * 2 ** 32 } = frame;
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const claimed = frame.claimedLength ?? body.length;
  const extended = lengthBytes(claimed);
  const start = 2 + extended + (mask === false ? 0 : 4);
  const bytes = Buffer.allocUnsafe(start + body.length);
  bytes[0] = (fin ? FINAL : 0) | (rsv << 4) | opcode;
  bytes[1] = (mask === false ? 0 : MASKED) | (extended === 0 ? claimed : extended === 2 ? 126 : 127);
  if (extended === 2) bytes.writeUInt16BE(claimed, 2);
  if (extended === 8) bytes.writeBigUInt64BE(BigInt(claimed), 2);
  if (mask === false) {
    bytes.set(body, start);
    return bytes;
  }
  bytes.writeUInt32BE(mask >>> 0, start - 4);
  for (let index = 0; index < body.length; index += 1) {
    bytes[start + index] = (body[index] as number) ^ (mask >>> (24 - 8 * (index & 3)));
  }
  return bytes;
}

/** A close frame's payload: the code, then the reason in UTF-8 (section 5.5.1). */
export function closePayload(code: number, reason = ''): Buffer {
  const payload = Buffer.allocUnsafe(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}

/** The beginning of a frame, as it is on the wire: nothing is checked. */
export interface FrameHeader {
  readonly fin: boolean;
  /** Reserved bits, 0 to 7. */
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** The length of the payload. */
  readonly length: number;
  /** The length of this header, without a masking key. */
  readonly bytes: number;
}

/** The header that begins at `offset`; null where its end is missing. */
export function readFrameHeader(bytes: Buffer, offset: number): FrameHeader | null {
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
  return {
    fin: (first & FINAL) !== 0,
    rsv: (first >> 4) & 0x7,
    opcode: first & 0x0f,
    masked: (second & MASKED) !== 0,
    length,
    bytes: 2 + extended,
  };
}

/** The code in a close frame's payload. */
export function closeCodeOf(payload: Buffer): number {
  return payload.length < 2 ? NO_STATUS : payload.readUInt16BE(0);
}

function lengthBytes(length: number): 0 | 2 | 8 {
  if (length < 126) return 0;
  return length < 65_536 ? 2 : 8;
}
