import type { Socket } from 'node:net';

import * as ws from 'ws';

import type { SharedMessage } from '../../connection/shared-message.js';
import { streamOf } from './ws-fields.js';

/** Exported by `ws`, but missing in its types. Creates the parts of a frame: RFC 6455, section 5.2. */
const { Sender } = ws as unknown as {
  readonly Sender: { frame(payload: Buffer, options: FrameOptions): readonly [header: Buffer, payload: Buffer] };
};

interface FrameOptions {
  readonly fin: true;
  readonly rsv1: false;
  readonly opcode: 1 | 2;
  readonly mask: false;
}

const FRAMES = new WeakMap<SharedMessage, Buffer>();

/** The frame of a broadcast, created once. Header and payload are adjacent, so that one write sends both. */
export function sharedFrame(message: SharedMessage): Buffer {
  const known = FRAMES.get(message);
  if (known !== undefined) return known;
  const [header] = frameOf(message.payload, message.isBinary);
  const frame = message.behind(header);
  FRAMES.set(message, frame);
  return frame;
}

/** An uncompressed frame with a whole message: header and payload. */
export function frameOf(payload: Buffer, isBinary: boolean): readonly [header: Buffer, payload: Buffer] {
  return Sender.frame(payload, { fin: true, rsv1: false, opcode: isBinary ? 2 : 1, mask: false });
}

/** Sockets that were ever given a part of a message. They are so few that a field in each socket would cost more. */
const SENDING_IN_PARTS = new WeakSet<ws.WebSocket>();

export function noteParts(socket: ws.WebSocket): void {
  SENDING_IN_PARTS.add(socket);
}

/**
 * Whether `ws` would write a message at once and unchanged: not compressed, not within another message, and not behind bytes that wait in
 * it.
 */
export function takesFrames(socket: ws.WebSocket, network: Socket | undefined): boolean {
  if (network === undefined || streamOf(socket) !== network) return false;
  if (socket.bufferedAmount !== network.writableLength) return false;
  return socket.extensions === '' && !SENDING_IN_PARTS.has(socket);
}
