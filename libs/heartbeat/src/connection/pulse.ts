import { Link } from './link.js';

/** "Never", where a time is expected. Small integers are stored in the object itself, so no `null` and no fractions here. */
export const NEVER = -1;

/** Connections that opened one after the other and share a place in the interval. */
const RUN = 32;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** A place on a circle, from 0 up to 1, for each number: however many there are, they leave no gap and do not bunch. */
export function placeOf(serial: number): number {
  return (serial * GOLDEN) % 1;
}

/**
 * Where in the interval a connection is pinged while idle, in thousandths: even over the interval, however many open at once.
 * Those of a run lie together in memory, in V8's as in the kernel's, and are cheaper to ping one after the other.
 */
export function phaseOf(serial: number): number {
  return Math.floor(placeOf(Math.floor(serial / RUN)) * 1000);
}

/**
 * What liveness knows of one connection. All times are in attended milliseconds (see `liveness/attended-clock.ts`), whole,
 * unless stated otherwise. Only its own verbs write it, which is why a connection shows it as `Readonly`. The heartbeat service
 * hangs the pulse, which is a link, into its wheel.
 */
export class Pulse<Owner> extends Link {
  /** The interval counts from here: the peer was alive at this time or later. */
  silentSince = 0;
  /** The last check of the socket; bytes that the next check finds came after it. */
  checkedAt = 0;
  /** When the last whole message of the peer came. */
  messageAt = NEVER;
  /** When bytes last came that made no message: a ping, an unsolicited pong, to a second a part of a message. */
  bytesAt = NEVER;
  /** When an application message last came in or went out; heartbeats of either kind are none. */
  activeAt = NEVER;
  /** When the unanswered ping was sent. */
  pingedAt = NEVER;
  /** The same in monotonic milliseconds with their fraction, for the round trip. */
  pingSentAt = Number.NaN;
  /** When bytes were last noticed, in monotonic milliseconds. */
  lastSeenAt = 0;
  /** Pings in a row that stayed unanswered for `pongTimeoutMs`. */
  missed = 0;
  /** When the next check is due. */
  checkDueAt = 0;

  constructor(
    readonly owner: Owner,
    /** Where in the interval this connection is pinged while idle, in thousandths; kept for life. */
    readonly phase: number,
    readonly openedAt: number,
    /** `bytesRead` of the transport at the last check. */
    public bytesSeen: number,
  ) {
    super();
  }

  /** The last time at which something is known to have come in. */
  get lastActivityAt(): number {
    return Math.max(this.messageAt, this.bytesAt);
  }

  /** When bytes were last noticed, including bytes that came since the last check; in monotonic milliseconds, as `now` is. */
  seenAt(now: number, bytesRead: number): number {
    return bytesRead === this.bytesSeen || this.lastActivityAt >= this.checkedAt ? this.lastSeenAt : now;
  }

  /** @param now In monotonic milliseconds, here and below. */
  seen(now: number): void {
    this.lastSeenAt = Math.trunc(now);
  }

  /** A whole message came, of the application or of its heartbeat. */
  messageCame(at: number, now: number): void {
    this.messageAt = at;
    this.seen(now);
  }

  /** Bytes came that are no whole message: at this time, or after it where that is all that is known. */
  bytesCame(at: number, now: number): void {
    this.bytesAt = Math.max(this.bytesAt, at);
    this.seen(now);
  }

  /** A message of the application came in or went out. */
  active(at: number): void {
    this.activeAt = at;
  }

  /** The peer is alive: the interval counts anew from `since`, and no ping is unanswered. */
  markAlive(since: number): void {
    this.silentSince = since;
    this.pingedAt = NEVER;
    this.missed = 0;
  }

  /** @param sentAt In monotonic milliseconds. */
  pinged(at: number, sentAt: number): void {
    this.pingedAt = at;
    this.pingSentAt = sentAt;
  }

  /** A ping stayed unanswered for `pongTimeoutMs`. */
  pongMissed(): void {
    this.missed++;
  }

  /** The bytes read were compared with those at the last check. */
  compared(bytesRead: number): void {
    this.bytesSeen = bytesRead;
  }

  checked(at: number): void {
    this.checkedAt = at;
  }

  dueAt(at: number): void {
    this.checkDueAt = at;
  }
}
