import type { IncomingMessage } from 'node:http';

import type { Identity } from '../base/identity.js';
import type { Refusal } from './refusal.js';

/**
 * A client's attempt to connect, as its transport presents it. Admission decides about it; the answer, and its form, are the
 * transport's.
 */
export interface Attempt {
  /** For headers and addresses, and for the application's `authenticate`. */
  readonly request: IncomingMessage;
  /** Whether a server exists for the path. */
  readonly isServed: boolean;
  /** Whether the client has left. */
  readonly isGone: boolean;
  /** Calls `listener` once when the client leaves; the result cancels that. */
  onGone(listener: () => void): () => void;
  /** The fault of the request by the rules of the transport; null without one. */
  fault(): Refusal | null;
}

/** An attempt that may become a connection. */
export interface Admitted {
  readonly ip: string;
  readonly identity: Identity | null;
  /** Whether the client has to be identified within `identifyTimeoutMs`. */
  readonly deferred: boolean;
  /** To be called when it has become a connection, where the user's slot is agreed over the cluster. */
  readonly opened?: () => void;
}
