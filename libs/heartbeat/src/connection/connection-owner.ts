import type { Identity } from '../base/identity.js';
import type { Outgoing } from './connection.types.js';
import type { Connection } from './public-connection.js';

/** What a connection needs of its node: the clocks, the registry and the policies of input and output. It passes itself. */
export interface ConnectionOwner {
  idOf(serial: number): string;
  now(): number;
  attended(): number;
  identified(connection: Connection, previous: Identity | null): void;
  /** See `OutboundPolicy`, also for the two below. */
  admits(connection: Connection, kind: Outgoing, bytes: number): boolean;
  beforePong(connection: Connection): void;
  catchUp(connection: Connection): void;
  /** The server has begun to close it: messages that wait are dropped. */
  silenced(connection: Connection): void;
  failed(connection: Connection, what: string, error: unknown): void;
}
