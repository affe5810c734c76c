import type { IncomingMessage } from 'node:http';

import type { Identity } from '../base/identity.js';
import type { OriginJudge } from '../base/origin.js';
import type { Refusal } from './refusal.js';

/** A client's attempt to connect, as its transport presents it. Admission decides about it. The transport responds, in its own form. */
export interface Attempt {
  /** For headers and addresses, and for the application's `authenticate`. */
  readonly request: IncomingMessage;
  /** Whether a server exists for the path. */
  readonly isServed: boolean;
  /** The check of origins where the transport's server has its own. Default: the option `origins`. */
  readonly judgeOrigin?: OriginJudge | undefined;
  /** The option of that server which `judgeOrigin` follows. */
  readonly originOption?: string;
  /** Whether the client has disconnected. */
  readonly isGone: boolean;
  /** Calls `listener` once when the client disconnects. The returned function cancels that. */
  onGone(listener: () => void): () => void;
  /**
   * The application's checks before `authenticate`: a refusal, or null. They never reject, and are given up when the signal aborts. Undefined
   * where there are none.
   */
  readonly checks?: ((signal: AbortSignal) => Promise<Refusal | null>) | undefined;
  /** The fault of the request by the rules of the transport; null without one. */
  fault(): Refusal | null;
}

/** An attempt that may become a connection. */
export interface Admitted {
  readonly ip: string;
  readonly identity: Identity | null;
  /** Whether the client has to be identified within `identifyTimeoutMs`. */
  readonly deferred: boolean;
  /** Must be called when the attempt has become a connection. Present where the user's slot is shared by the cluster. */
  readonly opened?: () => void;
}
