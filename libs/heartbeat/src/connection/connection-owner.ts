import type { Identity } from '../base/identity.js';
import type { Outgoing } from './connection.types.js';
import type { Connection } from './public-connection.js';

/**
 * The part of a node that its connections depend on: the clocks, the registry and the policies of input and output. A connection passes
 * itself.
 */
export interface ConnectionOwner {
  idOf(serial: number): string;
  now(): number;
  attended(): number;
  identified(connection: Connection, previous: Identity | null): void;
  /** See `OutboundPolicy`, also for the two below. */
  admits(connection: Connection, kind: Outgoing, bytes: number): boolean;
  beforePong(connection: Connection): void;
  catchUp(connection: Connection): void;
  /** The server has begun to close the connection: waiting messages are dropped. */
  silenced(connection: Connection): void;
  /** Whether a message has begun whose handlers have not all ended. */
  hasBegun(connection: Connection): boolean;
  /** A disposer has returned a promise, for which a drain waits. It never rejects. */
  disposing(pending: Promise<void>): void;
  failed(connection: Connection, what: string, error: unknown): void;
}
