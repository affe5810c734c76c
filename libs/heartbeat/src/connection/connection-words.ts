import type { Socket } from 'node:net';

import type { WebSocket } from 'ws';

import type { ClosedBy } from '../close-code.js';

/** Who a connection belongs to. */
export interface Identity {
  readonly userId: string;
  /** Free words to find and filter by. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** How a connection ends: the code and words that are recorded, and who began it. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  readonly by: ClosedBy;
}

/** What is known of a connection at its opening. */
export interface Opening {
  readonly serial: number;
  readonly socket: WebSocket;
  /** The network socket under it. */
  readonly network: Socket;
  readonly path: string;
  readonly ip: string;
  readonly userAgent: string | null;
  readonly identity: Identity | null;
}
