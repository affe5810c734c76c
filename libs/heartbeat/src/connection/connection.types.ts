import type { ClosedBy } from '../protocol/close-code.js';
import type { Identity } from '../base/identity.js';
import type { PathParams } from '../base/path-params.js';
import type { Transport } from './transport.js';

/** The end of a connection: the recorded code and text, and the side that began it. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  readonly by: ClosedBy;
}

/** The parameters of a kick. */
export interface Kick {
  /** Default: `kicked`, or `reconnect`. */
  readonly reason?: string;
  /** True closes with 4005 and an advised delay instead of 4500. Default: false. */
  readonly reconnect?: boolean;
  /** The initiator, for the event and the audit trail. Default: `application`. */
  readonly by?: string;
}

/**
 * The kind of a message: one that the application or this library sends, the answer of a handler, a broadcast, or an event of the
 * application heartbeat. The last is not a message of the application, so it does not keep a connection from being idle.
 */
export type Outgoing = 'message' | 'answer' | 'shared' | 'event';

/** The facts about a connection at its opening. */
export interface Opening {
  readonly transport: Transport;
  readonly path: string;
  /** The parameters of the path's pattern. Default: none. */
  readonly params?: PathParams;
  readonly ip: string;
  readonly userAgent: string | null;
  readonly identity: Identity | null;
  /** Whether the client must be identified within `identifyTimeoutMs`. */
  readonly deferred?: boolean;
}
