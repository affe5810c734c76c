import type { Readable } from 'node:stream';

import type { Identity } from '../base/identity.js';
import type { BusyLease, BusyLimits } from './busy-lease.js';
import type { PathParams } from '../base/path-params.js';
import type { TransportName } from './transport.js';

/**
 * One connection, from the completed upgrade to its end, as applications use it. A class without code instead of an interface, for
 * `instanceof` and for the metadata that decorators emit. Only the library creates connections.
 */
export abstract class Connection {
  /** Unique over all nodes and starts; contains its node's id. */
  abstract readonly id: string;
  /** Null for an anonymous client. */
  abstract readonly userId: string | null;
  abstract readonly labels: Readonly<Record<string, string>>;
  abstract readonly ip: string;
  /** The path of the upgrade, without the query string. */
  abstract readonly path: string;
  /**
   * The decoded parameters of the gateway's path pattern, frozen: `{ room: '42' }` for `/rooms/:room`. A wildcard is a list of segments, an
   * optional parameter that the request does not have is absent.
   */
  abstract readonly params: PathParams;
  /** `ws` for a gateway, `socket.io`, `graphql-ws`, or `other` for another server that `ConnectionTracker` tracks. */
  abstract readonly transport: TransportName;
  /** Monotonic milliseconds. */
  abstract readonly openedAt: number;
  /** Round trip of the last answered ping, in milliseconds; null before the first. */
  abstract readonly rttMs: number | null;
  /**
   * Aborts when the connection has ended; `signal.reason` describes the end. It is meant for Node's own APIs, and for reading: an error of
   * your own listener would be an uncaught exception, which ends the process. `defer` is guarded.
   */
  abstract readonly signal: AbortSignal;
  /**
   * Aborts when a drain reaches the connection, before its close, for work that can finish early. While a drain that was aborted lets the
   * connection live on, a later access returns a new signal. Errors of listeners: as for `signal`.
   */
  abstract readonly draining: AbortSignal;

  /**
   * Sets the identity of a client that is identified after the opening. A repeated call replaces it. It has no effect once the server has
   * begun to close the connection.
   * @throws HeartbeatError `HEARTBEAT_BAD_IDENTITY` without a `userId`, or with an end that is not a time.
   */
  abstract identify(identity: Identity): void;

  /**
   * Runs `disposer` once when the connection ends, the last deferred one first; at once if it has already ended. Its error or rejection is
   * logged and has no other effect. A drain waits for its promise, at most until the deadline.
   */
  abstract defer(disposer: () => unknown): void;

  /**
   * Announces work that a drain waits for, beside handlers in flight, which count by themselves: the answer of an AI, a call, an upload, the
   * values of an Observable. The lease ends by `done()`, by `atMostMs` or with the connection; on an ended connection it has no effect. A
   * drain waits at most `drain.workTimeoutMs`.
   * @param what The name of the work, for log lines.
   * @throws HeartbeatError `HEARTBEAT_BAD_BUSY` without a name, or for a limit that is none.
   */
  abstract busy(what: string, limits?: BusyLimits): BusyLease;

  /**
   * Sends text or bytes as they are, other values as JSON. Resolves when the bytes have left the buffers of this process.
   * @throws HeartbeatError `HEARTBEAT_CONNECTION_CLOSED` (as a rejection) if the connection ends first.
   */
  abstract send(data: unknown): Promise<void>;

  /**
   * Sends the data of a stream, one message for each piece, at the rate of the peer. It ends with the connection, which destroys the
   * stream. Rejects if the source fails or the connection ends first; that need not be awaited.
   */
  abstract stream(source: Readable): Promise<void>;

  /**
   * Begins the closing handshake; a peer that does not answer is destroyed after `drain.closeTimeoutMs`.
   * @param code Default: 1000. One that an endpoint may send (RFC 6455, section 7.4).
   * @param reason Cut to the 123 bytes that fit into a close frame.
   * @throws HeartbeatError `HEARTBEAT_BAD_CLOSE` for a code that cannot be sent.
   */
  abstract close(code?: number, reason?: string): void;
}
