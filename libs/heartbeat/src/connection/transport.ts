import type { EventEmitter } from 'node:events';

import type { SharedMessage } from './shared-message.js';

/** What is special about a kind of transport: the same object for all of its connections. */
export interface TransportKind {
  readonly name: 'ws' | 'socket.io' | 'graphql-ws' | 'other';
  /** The close codes that its clients understand: those of this library too, or only those of RFC 6455. */
  readonly closeCodes: 'all' | 'standard';
  /** Whether its messages reach the dispatcher of this library, and with it the application heartbeat. */
  readonly isDispatched: boolean;
}

/** Called once: without an error when the bytes have left the buffers of this process. */
export type Sent = (error?: Error) => void;

/**
 * What a connection needs of the transport under it. All methods are raw: they ask no rule, count nothing and record nothing. The
 * object that the application has of a client (a WebSocket) may be the transport itself, so that a connection costs no further object;
 * its own methods for the application then enter the connection, which comes back here.
 */
export interface Transport {
  readonly kind: TransportKind;
  /** Whether messages may be sent. */
  readonly isOpen: boolean;
  /** Whether it has ended, also where its end was not reported. */
  readonly isClosed: boolean;
  /** Whether it is not being read: the application paused it, this library holds it back, or it is inflating. */
  readonly isHalted: boolean;
  /** Rises with each sign of life of the peer: bytes of a socket, or packets of a session that has none. Stays readable after the end. */
  readonly bytesRead: number;
  /** All bytes that the kernel, or the peer of a session without a socket, has taken. Stays readable after the end. */
  readonly bytesTaken: number;
  /** All bytes that were handed to the network, of which some may wait; without what waits in the transport above it. */
  readonly bytesGiven: number;
  /** All bytes that wait in this process, wherever that is. */
  readonly bytesWaiting: number;
  /** Whether a message has begun and is not complete. */
  readonly hasIncompleteMessage: boolean;
  /** The emitters to which an application may add listeners. */
  readonly emitters: readonly EventEmitter[];

  /** Sends a ping; its answer is reported as a pong. */
  ping(): void;
  /** Sends something that has no answer, so that the end of the line shows; nothing piles up where the peer is not read. */
  probe(): void;
  /**
   * Sends a message; fails where it is not open, without counting it as waiting.
   * @param options For the transport alone.
   */
  write(data: unknown, options?: object | null, sent?: Sent): void;
  /** Sends a message that goes to many connections. */
  writeShared(message: SharedMessage): void;
  /** Begins the closing handshake. */
  shut(code: number, reason: string): void;
  /** Ends at once, without a handshake. */
  destroy(): void;
  /** Stops reading for reasons of this library, which a `resume()` of the application does not undo. */
  holdBack(): void;
  /** Undoes `holdBack()`; a pause of the application stays. */
  letGo(): void;
  /** Collects what is written, for one write at the matching `uncork()`. */
  cork(): void;
  uncork(): void;
}
