/** RFC 6455 section 5.2, from the client's side: what we send is masked, what we receive must not be. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type Opcode = (typeof OPCODE)[keyof typeof OPCODE];

/** A close frame may come without a code (RFC 6455 section 7.1.5). */
export const NO_STATUS = 1005;
/** The code that a peer records when a connection ends without a close frame. */
export const ABNORMAL_CLOSURE = 1006;

const FINAL = 0x80;
const MASKED = 0x80;

/** One whole masked frame. `mask` is the 32-bit masking key, an argument so that the encoder stays pure. */
export function encodeFrame(opcode: Opcode, payload: Uint8Array, mask: number): Buffer {
  const { length } = payload;
  const extended = lengthBytes(length);
  const start = 2 + extended + 4;
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = FINAL | opcode;
  frame[1] = MASKED | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.writeUInt32BE(mask >>> 0, start - 4);
  for (let index = 0; index < length; index += 1) {
    frame[start + index] = (payload[index] as number) ^ (mask >>> (24 - 8 * (index & 3)));
  }
  return frame;
}

/** A close frame's payload: the code, or nothing for {@link NO_STATUS}, which must not be on the wire. */
export function closePayload(code: number): Buffer {
  if (code === NO_STATUS) return Buffer.alloc(0);
  const payload = Buffer.allocUnsafe(2);
  payload.writeUInt16BE(code, 0);
  return payload;
}

/** The code in a close frame's payload. */
export function closeCodeOf(payload: Buffer): number {
  return payload.length < 2 ? NO_STATUS : payload.readUInt16BE(0);
}

function lengthBytes(length: number): 0 | 2 | 8 {
  if (length < 126) return 0;
  return length < 65_536 ? 2 : 8;
}
