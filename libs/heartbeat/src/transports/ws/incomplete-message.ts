import type { WebSocket } from 'ws';

/** The part of `ws`' receiver that shows whether a message is incomplete. */
interface Receiver {
  /** The opcode of a fragmented message, 0 between messages. */
  readonly _fragmented: number;
  /** Bytes that were read and are not yet part of a complete frame. */
  readonly _bufferedBytes: number;
  /** 0 before a frame's first byte; otherwise within its header, mask or payload. */
  readonly _state: number;
}

/**
 * Whether a frame or a fragmented message has begun and not ended. `ws` has no public method for it. From outside (bytes without an event),
 * a part that arrived together with a complete message is invisible. So this function reads the receiver. Its test fails if `ws` renames
 * these fields.
 */
export function hasIncompleteMessage(socket: WebSocket): boolean {
  const { _receiver: receiver } = socket as unknown as { readonly _receiver?: Receiver };
  if (!receiver) return false;
  const { _fragmented: opcode, _bufferedBytes: bytes, _state: state } = receiver;
  return opcode !== 0 || bytes > 0 || state !== 0;
}
