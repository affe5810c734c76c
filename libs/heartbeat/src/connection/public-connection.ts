import type { Readable } from 'node:stream';

import type { Identity } from '../base/identity.js';

/** One connection, from the answered upgrade to its end: what an application sees of it. */
export interface Connection {
  /** Unique over all nodes and boots; carries its node's id. */
  readonly id: string;
  /** Null for an anonymous client. */
  readonly userId: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly ip: string;
  /** Of the upgrade, without the query string. */
  readonly path: string;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
  /** Round trip of the last answered ping, in milliseconds; null before the first. */
  readonly rttMs: number | null;
  /**
   * Aborts when the connection has ended; `signal.reason` states how. For Node's own APIs, and for reading: what a listener of
   * your own throws becomes an uncaught exception in Node, which ends the process. `defer` is guarded.
   */
  readonly signal: AbortSignal;

  /**
   * Sets the identity, for connections whose client proves it after the opening; a repeated call replaces it. Without effect once the
   * server has begun to close the connection.
   * @throws HeartbeatError `HEARTBEAT_BAD_IDENTITY` without a `userId`, or with an end that is not a time.
   */
  identify(identity: Identity): void;

  /**
   * Runs `disposer` once when the connection ends, the last deferred one first; at once if it has ended already.
   * What it throws or rejects with is logged and ends nothing else.
   */
  defer(disposer: () => unknown): void;

  /**
   * Sends text or bytes as they are, other values as JSON. Resolves when the bytes have left the buffers of this process.
   * @throws HeartbeatError `HEARTBEAT_CONNECTION_CLOSED` (as a rejection) if the connection ends first.
   */
  send(data: unknown): Promise<void>;

  /**
   * Sends what a stream gives, one message for each piece, at the rate of the peer. Ends with the connection; the stream is destroyed
   * then. Rejects if the source fails or the connection ends first; that need not be awaited.
   */
  stream(source: Readable): Promise<void>;

  /**
   * Begins the closing handshake; a peer that does not answer is destroyed after `drain.closeTimeoutMs`.
   * @param code Default: 1000. One that an endpoint may send (RFC 6455, section 7.4).
   * @param reason Cut to the 123 bytes that fit into a close frame.
   * @throws HeartbeatError `HEARTBEAT_BAD_CLOSE` for a code that cannot be sent.
   */
  close(code?: number, reason?: string): void;
}
