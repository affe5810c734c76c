import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import type { WebSocket, WebSocketServer } from 'ws';

/**
 * Fields of `ws` without a public method to read them (docs/decisions/0002). They are only read. Tests with real sockets fail if `ws`
 * changes.
 */
interface Inside {
  readonly _closeFrameReceived?: boolean;
  readonly _socket?: Socket;
}

/** Whether the peer has sent a close frame. Then a `close()` may be the answer of `ws` to it, or a close of the server. */
export function isClosedByPeer(socket: WebSocket): boolean {
  const { _closeFrameReceived: received = false } = socket as unknown as Inside;
  return received;
}

/** The stream that `ws` writes to. */
export function streamOf(socket: WebSocket): Socket | undefined {
  const { _socket: stream } = socket as unknown as Inside;
  return stream;
}

/** The HTTP server on which a server of `ws` listens: the one that it was given, or its own; undefined with `noServer`. */
export function httpServerOf(server: WebSocketServer): Server | undefined {
  const { _server: http } = server as unknown as { readonly _server?: Server | null };
  return http ?? undefined;
}
