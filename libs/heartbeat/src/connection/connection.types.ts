import type { Socket } from 'node:net';

import type { WebSocket } from 'ws';

import type { ClosedBy } from '../protocol/close-code.js';
import type { Identity } from '../base/identity.js';

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

/** What a connection needs of the registry that made it. */
export interface ConnectionOwner<Owned> {
  idOf(serial: number): string;
  now(): number;
  attended(): number;
  identified(connection: Owned, previous: Identity | null): void;
  /** Sends what is under way to it, so that it comes before whatever is sent or closed next. */
  catchUp(connection: Owned): void;
  mayQueue(connection: Owned, bytes: number): boolean;
  /** The server has begun to close it: what its client sent and no handler has begun with is dropped. */
  silenced(connection: Owned): void;
  /** Whether an answer is sent together with those of other messages of one read, a moment later. */
  holdAnswers(connection: Owned): boolean;
  /** Sends the answers that are held. */
  releaseAnswers(connection: Owned): void;
  /** What was queued last is no message of the application. */
  uncountSent(): void;
  failed(connection: Owned, what: string, error: unknown): void;
}

/** What is known of a connection at its opening. */
export interface Opening {
  readonly socket: WebSocket;
  /** The network socket under it. */
  readonly network: Socket;
  readonly path: string;
  readonly ip: string;
  readonly userAgent: string | null;
  readonly identity: Identity | null;
  /** Whether the client has to prove who it is within `identifyTimeoutMs`. */
  readonly deferred?: boolean;
}
