import type { WebSocket } from 'ws';

/** The part of `ws`' receiver that tells whether a message is in the making. */
interface Receiver {
  /** The opcode of a fragmented message, 0 between messages. */
  readonly _fragmented: number;
  /** Bytes that are read and not yet part of a whole frame. */
  readonly _bufferedBytes: number;
  /** 0 before a frame's first byte; otherwise within its header, mask or payload. */
  readonly _state: number;
}

/**
 * Whether a frame or a fragmented message has begun and not ended. `ws` has no public way to ask, and what can be seen from
 * outside (bytes that make no event) is blind to a part that came together with a whole message. So this one function reads
 * the receiver; its test fails should `ws` ever rename these fields.
 */
export function hasIncompleteMessage(socket: WebSocket): boolean {
  const { _receiver: receiver } = socket as unknown as { readonly _receiver?: Receiver };
  if (!receiver) return false;
  const { _fragmented: opcode, _bufferedBytes: bytes, _state: state } = receiver;
  return opcode !== 0 || bytes > 0 || state !== 0;
}
