import type { EventEmitter } from 'node:events';

import type { SharedMessage } from './shared-message.js';

export const TRANSPORT_NAMES = ['ws', 'socket.io', 'graphql-ws', 'other'] as const;

/** How a connection came: to a gateway, to Socket.IO, to GraphQL subscriptions, or to another tracked server of the application. */
export type TransportName = (typeof TRANSPORT_NAMES)[number];

/** The properties of a kind of transport: one object for all of its connections. */
export interface TransportKind {
  readonly name: TransportName;
  /** Whether broadcasts reach it without a condition on the transport. False where messages need a protocol of the application. */
  readonly inBroadcasts: boolean;
  /** The code in the close frame instead of `code`, where its clients understand other codes. `code` itself is recorded. */
  sentCode(code: number): number;
  /** Whether its clients expect a ping in each interval, whatever else the server sends. Default: false. */
  readonly isAlwaysPinged?: boolean;
  /** Whether a message may be dropped where too much waits. Default: true. */
  readonly mayDrop?: boolean;
}

/** A client without a permanent socket: its bytes wait for its next request, or a response is being sent. */
export type PollingState = 'waiting' | 'answering';

/** Called once: without an error when the bytes have left the buffers of this process. */
export type Sent = (error?: Error) => void;

/**
 * The part of a transport that a connection depends on. All methods are raw: they call no rule, count nothing and record nothing. The
 * application's object for a client (a WebSocket) may itself be the transport, so that a connection needs no further object. Then its
 * methods for the application call the connection, which calls the raw methods.
 */
export interface Transport {
  readonly kind: TransportKind;
  /** Whether messages may be sent. */
  readonly isOpen: boolean;
  /** Whether it has ended, also where its end was not reported. */
  readonly isClosed: boolean;
  /** Whether it is not being read: the application paused it, this library holds it back, or it is inflating. */
  readonly isHalted: boolean;
  /** Increases with all that proves the peer alive: bytes of a socket, or packets of a session without one. Stays readable after the end. */
  readonly bytesRead: number;
  /** All bytes that the kernel, or the peer of a session without a socket, has taken. Stays readable after the end. */
  readonly bytesTaken: number;
  /** All bytes that were handed to the network, including waiting ones; without bytes that wait in the transport above it. */
  readonly bytesGiven: number;
  /** All bytes that wait in this process, in any buffer. */
  readonly bytesWaiting: number;
  /** Present while the client polls. */
  readonly polling?: PollingState | undefined;
  /** Whether a message has begun and is not complete. */
  readonly hasIncompleteMessage: boolean;
  /** The emitters to which an application may add listeners. */
  readonly emitters: readonly EventEmitter[];

  /** Sends a ping. Its answer is reported as a pong. */
  ping(): void;
  /** Sends a frame without an answer, so that the end of the connection is detected. Nothing accumulates where the peer is not read. */
  probe(): void;
  /**
   * Sends a message. Fails where the transport is not open, without counting the message as waiting.
   * @param options For the transport only.
   */
  write(data: unknown, options?: object | null, sent?: Sent): void;
  /** Sends a broadcast to this connection. */
  writeShared(message: SharedMessage): void;
  /** Begins the closing handshake. */
  shut(code: number, reason: string): void;
  /** Ends at once, without a handshake. */
  destroy(): void;
  /** Stops reading on behalf of this library. A `resume()` of the application does not undo it. */
  holdBack(): void;
  /** Undoes `holdBack()`; a pause of the application stays. */
  letGo(): void;
  /** Collects written bytes for one write at the matching `uncork()`. */
  cork(): void;
  uncork(): void;
}
