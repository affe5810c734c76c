import type { WebSocket } from 'ws';

import type { TransportKind } from '../../connection/transport.js';

/** A message handler of a gateway, bound by Nest to its client: `(data, event) => answer`. */
export type MessageHandler = (data: unknown, event: unknown) => Promise<unknown>;

export type DisconnectCallback = (code: number) => void;

/** No events have these names. */
export const KIND = Symbol('the kind of transport');
export const LISTENER_FAILED = Symbol('a listener failed');

/** The events with a listener of this library. */
export type OwnEvent = 'message' | 'ping' | 'pong' | 'error' | 'close';

/** Listeners of this library, which run before those of the app. All sockets share the functions. */
export interface SocketListeners {
  /** The properties of these sockets as transports. */
  readonly [KIND]: TransportKind;
  /** Returns whether the message is admitted. The listeners of the app receive only admitted ones. */
  message(this: WebSocket, data: WebSocket.RawData, isBinary: boolean): boolean;
  ping(this: WebSocket): void;
  pong(this: WebSocket): void;
  error(this: WebSocket, error: Error): void;
  close(this: WebSocket, code: number, reason: Buffer): void;
  /** Nest 11's exception filters emit this on the client, which Socket.IO sends. Nest 12's send it themselves. */
  exception(this: WebSocket, data: unknown): void;
  /** A listener of the app threw, or rejected. */
  [LISTENER_FAILED](event: string, error: unknown): void;
}
