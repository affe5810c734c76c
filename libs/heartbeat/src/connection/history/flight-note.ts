import type { LoadSource } from '../../node/load-state.js';

/** Limits of input, each with the reason of its close (4004). */
export const INPUT_LIMITS = {
  messages: 'too many messages',
  pings: 'too many pings',
  input: 'too much at once',
} as const;
export type InputLimit = keyof typeof INPUT_LIMITS;

/** Maximum length of a text of an operator, an application or a library in a note, in characters. */
const MAX_TEXT = 200;

/** A notable event that may be frequent: all of a connection are one note, whose count grows. */
export type CountedNote =
  /** Messages that were answered with an exception. */
  | {
      readonly kind: 'refused';
      readonly reason: 'not-json' | 'unknown-event' | 'too-many-streams';
      readonly count: number;
    }
  /** Messages to the client that were dropped by `backpressure.policy: 'drop-newest'`. */
  | { readonly kind: 'dropped'; readonly reason: 'drop-newest'; readonly count: number };

const refused = (reason: (CountedNote & { kind: 'refused' })['reason']): CountedNote =>
  Object.freeze({ kind: 'refused', reason, count: 1 });

/** One refused message, by reason. */
export const REFUSED = {
  'not-json': refused('not-json'),
  'unknown-event': refused('unknown-event'),
  'too-many-streams': refused('too-many-streams'),
};

/** The cause of a close that the server begins: the note that each such close has. */
export type CauseNote =
  /** Above a limit of input; closed with 4004. `most` is its value. */
  | { readonly kind: 'limit'; readonly limit: InputLimit; readonly most?: number }
  /** A message was not completed within `limits.messageTimeoutMs`. */
  | { readonly kind: 'incomplete' }
  /** Above `backpressure.maxBufferedBytes` by a message of `bytes`, in bytes or in messages. */
  | { readonly kind: 'full'; readonly bufferedBytes: number; readonly messages: number; readonly bytes: number }
  /** Too slow for too long, or the largest backlog while the total is too large. */
  | { readonly kind: 'slow'; readonly bufferedBytes: number; readonly why: 'slow' | 'total' }
  /** Sent a ping while more than `backpressure.maxBufferedBytes` were buffered for it. */
  | { readonly kind: 'unread'; readonly bufferedBytes: number }
  /** The last of `heartbeat.missedPongs` pings stayed unanswered. */
  | MissedNote
  | { readonly kind: 'kicked'; readonly by: string }
  /** A ban of `value` matched it. */
  | {
      readonly kind: 'banned';
      readonly ban: string;
      readonly target: 'user' | 'ip' | 'cidr';
      readonly value: string;
      readonly by?: string | undefined;
    }
  /** A drain reached it. `reason` is that of the drain; null for an upgrade that was in progress when admission closed. */
  | { readonly kind: 'drained'; readonly reason: string | null }
  /** Destroyed at the deadline of a drain, or because the process ended. */
  | { readonly kind: 'terminated' }
  /** One of the longest idle connections of an overloaded server. */
  | { readonly kind: 'shed'; readonly ratio: number; readonly source: LoadSource }
  /** Identified as a user that has `limits.maxPerUser` connections. */
  | { readonly kind: 'user-limit' }
  | { readonly kind: 'replaced' }
  | { readonly kind: 'idle' }
  | { readonly kind: 'lifetime' }
  /** Not identified in time. */
  | { readonly kind: 'unauthenticated' }
  /** The identity has expired. */
  | { readonly kind: 'expired' }
  /** `close()` or `terminate()` of the application. */
  | { readonly kind: 'application'; readonly call: 'close' | 'terminate' };

/** A ping stayed unanswered; `missed` is the number of consecutive ones. */
export interface MissedNote {
  readonly kind: 'missed';
  readonly missed: number;
  readonly timeoutMs: number;
}

/** A stored event of a connection: a kind, and its numbers. A text that the library does not choose is bounded by {@link noteText}. */
export type FlightNote =
  | CauseNote
  | CountedNote
  | { readonly kind: 'identified'; readonly userId: string }
  /** Bytes came after `missed` unanswered pings. */
  | { readonly kind: 'answered'; readonly missed: number }
  /** Not read for a second, since its messages wait: `inFlight` handlers run, and `bytes` of messages wait. */
  | { readonly kind: 'paused'; readonly inFlight: number; readonly bytes: number }
  | { readonly kind: 'resumed'; readonly pausedMs: number }
  /** A session of Socket.IO continues on a WebSocket. */
  | { readonly kind: 'upgraded'; readonly to: 'websocket' }
  /** An error of the socket: of `ws` for a protocol violation (`WS_ERR_…`), of Node for the network. */
  | { readonly kind: 'error'; readonly message: string; readonly code?: string };

/** Round trips in milliseconds; null while unknown. The mean is that of the last 64, approximately. */
export interface PingSummary {
  readonly answered: number;
  readonly lastMs: number | null;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly meanMs: number | null;
}

/** A note, or a row of a record that is made when the record is read. */
export type FlightRow =
  | FlightNote
  | { readonly kind: 'opened' }
  | ({ readonly kind: 'pings' } & PingSummary)
  | { readonly kind: 'stall'; readonly stalledMs: number }
  | {
      readonly kind: 'closed';
      readonly code: number;
      readonly reason: string;
      readonly by: 'client' | 'server' | 'operator' | 'network';
    };

/** The note of an error. */
export function errorNote({ code, message }: NodeJS.ErrnoException): FlightNote {
  return { kind: 'error', message: noteText(message), ...(typeof code === 'string' && { code }) };
}

/** A text for a note, bounded, and in memory of its own: a slice of a text would keep the whole. */
export function noteText(text: string): string {
  return text.length <= MAX_TEXT ? text : `${Buffer.from(text.slice(0, MAX_TEXT)).toString()}…`;
}
