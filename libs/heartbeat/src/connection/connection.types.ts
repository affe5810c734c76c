import type { ClosedBy } from '../protocol/close-code.js';
import type { Identity } from '../base/identity.js';
import type { Transport } from './transport.js';

/** How a connection ends: the code and words that are recorded, and who began it. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  readonly by: ClosedBy;
}

/** A kick: who does it and why, and whether the client may come back. */
export interface Kick {
  /** Default: `kicked`, or `reconnect`. */
  readonly reason?: string;
  /** True closes with 4005 and an advised delay instead of 4500. Default: false. */
  readonly reconnect?: boolean;
  /** Who, for the event and the audit trail. Default: `application`. */
  readonly by?: string;
}

/**
 * What a message is: one that the application or this library sends, the answer of a handler, one that goes to many, or an event of the
 * application heartbeat, which is no message of the application: it does not keep a connection from being idle.
 */
export type Outgoing = 'message' | 'answer' | 'shared' | 'event';

/** What is known of a connection at its opening. */
export interface Opening {
  readonly transport: Transport;
  readonly path: string;
  readonly ip: string;
  readonly userAgent: string | null;
  readonly identity: Identity | null;
  /** Whether the client has to prove who it is within `identifyTimeoutMs`. */
  readonly deferred?: boolean;
}
