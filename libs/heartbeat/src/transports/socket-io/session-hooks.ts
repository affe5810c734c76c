import type { Socket } from 'node:net';

import type { Connection } from '../../connection/connection.js';
import type { CloseDeadlines } from './close-deadlines.js';
import type { Encoder } from './engine-fields.js';

/** What the sessions of one Socket.IO server share. */
export interface SessionHooks {
  readonly encoder: Encoder;
  /** Sessions that poll and are closing, which end after `drain.closeTimeoutMs`. */
  readonly closing: CloseDeadlines;
  /** The time after which engine.io ends such a session by a timer of its own: later, since it ends all of a drain in one turn. */
  readonly engineCloseMs: number;
  /** Whether each event is kept for the recovery of connection states. */
  readonly keepsEvents: boolean;
  /** A session uses the WebSocket on this network socket from now on. */
  upgraded(network: Socket): void;
  pinged(connection: Connection): void;
  /** An error of a WebSocket. */
  socketFailed(connection: Connection, error: NodeJS.ErrnoException): void;
  failed(what: string, error: unknown): void;
}
