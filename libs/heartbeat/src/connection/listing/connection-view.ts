import type { ClosedBy } from '../../protocol/close-code.js';

/** `probing`: a ping is unanswered. `closing`: a close was begun and has not ended. */
export type ConnectionState = 'open' | 'probing' | 'closing';

/** A connection in a response: docs/http-api.md. Times are ISO 8601 UTC. */
export interface ConnectionView {
  readonly id: string;
  /** The id of the node that holds it. */
  readonly node: string;
  readonly path: string;
  readonly ip: string;
  readonly userId: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: ConnectionState;
  readonly openedAt: string;
  /** When bytes from the peer were last noticed. */
  readonly lastSeenAt: string;
  /** When the last application message came in; null before the first. */
  readonly lastMessageAt: string | null;
  /** Round trip of the last answered ping; null before the first. */
  readonly rttMs: number | null;
  readonly missedPongs: number;
  /** Bytes written to the socket that still wait in this process. */
  readonly bufferedBytes: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly userAgent: string | null;
  /** Whether the client uses the application heartbeat. */
  readonly appHeartbeat: boolean;
}

/** One entry of a flight record: what happened to the connection, and when. */
export interface FlightEntry {
  readonly at: string;
  readonly what: string;
}

/** A connection that has ended: its last view, how it ended, and what went before. */
export interface ClosedView extends ConnectionView {
  readonly closedAt: string;
  readonly durationMs: number;
  readonly code: number;
  readonly reason: string;
  readonly closedBy: ClosedBy;
  readonly flight: readonly FlightEntry[];
}

/** One connection with its flight record. */
export interface ConnectionDetail extends ConnectionView {
  readonly flight: readonly FlightEntry[];
}
