import type { Socket } from 'node:net';

import type { Connection } from '../../connection/connection.js';
import type { Encoder } from './engine-fields.js';

/** What the sessions of one Socket.IO server share. */
export interface SessionHooks {
  readonly encoder: Encoder;
  /** `drain.closeTimeoutMs`. */
  readonly closeTimeoutMs: number;
  /** Whether each event is kept for the recovery of connection states. */
  readonly keepsEvents: boolean;
  /** A session uses the WebSocket on this network socket from now on. */
  upgraded(network: Socket): void;
  pinged(connection: Connection): void;
  /** An error of a WebSocket. */
  socketFailed(connection: Connection, error: NodeJS.ErrnoException): void;
  failed(what: string, error: unknown): void;
}
