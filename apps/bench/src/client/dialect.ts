import { encodeFrame, Opcode } from '../../../loadtest/src/frames.js';

/** The meaning of a frame of the server for a client. */
export type FrameKind = 'ping' | 'welcome' | 'open' | 'message' | 'close' | 'other';

/** How to speak with a server. The frames of a client are made once, for all clients. */
export interface Dialect {
  readonly path: string;
  /** Whether a client is open as soon as its upgrade was answered; else at the first frame of the kind `open`. */
  readonly opensWithUpgrade: boolean;
  /** The answer to a frame of the kind `welcome`. */
  readonly greeting: Buffer;
  readonly pong: Buffer;
  /** The payload of a frame is `length` bytes of `bytes` from `start` on. */
  kindOf(opcode: number, bytes: Uint8Array, start: number, length: number): FrameKind;
  message(event: string, data: unknown): Buffer;
}

export type DialectName = 'json' | 'socket.io';

const MASK = 0x5ac3_71e9;

function text(payload: string): Buffer {
  return encodeFrame({ opcode: Opcode.text, payload, mask: MASK });
}

/** `{ event, data }` in text frames, with RFC 6455 pings: Nest's own form, and so bare `ws`' here. */
const json: Dialect = {
  path: '/ws',
  opensWithUpgrade: true,
  greeting: Buffer.alloc(0),
  pong: encodeFrame({ opcode: Opcode.pong, mask: MASK }),
  kindOf(opcode) {
    if (opcode === Opcode.ping) return 'ping';
    if (opcode === Opcode.text) return 'message';
    return opcode === Opcode.close ? 'close' : 'other';
  },
  message: (event, data) => text(JSON.stringify({ event, data })),
};

const [ZERO, TWO, FOUR] = [0x30, 0x32, 0x34];

/** Engine.IO 4 and Socket.IO 5 over a WebSocket: packets are texts that begin with their type. */
const socketIo: Dialect = {
  path: '/socket.io/?EIO=4&transport=websocket',
  opensWithUpgrade: false,
  greeting: text('40'),
  pong: text('3'),
  kindOf(opcode, bytes, start, length) {
    if (opcode !== Opcode.text) return opcode === Opcode.close ? 'close' : 'other';
    if (bytes[start] === TWO && length === 1) return 'ping';
    if (bytes[start] === ZERO) return 'welcome';
    if (bytes[start] !== FOUR) return 'other';
    return bytes[start + 1] === ZERO ? 'open' : 'message';
  },
  message: (event, data) => text(`42${JSON.stringify([event, data])}`),
};

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = { json, 'socket.io': socketIo };

/** A close frame without a code. */
export const CLOSE_FRAME = encodeFrame({ opcode: Opcode.close, mask: MASK });
