import { Link } from './link.js';

/** The value of a time before the first event. Small integers are stored in the object itself, so there is no `null` and no fraction. */
export const NEVER = -1;

/** Number of consecutively opened connections that share a position in the interval. */
const RUN = 32;
/** Number of round trips that the mean covers: later ones replace the earliest, approximately. */
const MEAN_OF = 64;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** A position on a circle, from 0 up to 1, for each number. For any number of them the positions are evenly distributed. */
export function placeOf(serial: number): number {
  return (serial * GOLDEN) % 1;
}

/**
 * The position in the interval at which an idle connection is pinged, in thousandths: evenly distributed, for any number that open at once.
 * Connections of a run are close together in memory, in V8's and in the kernel's, so pinging them one after the other is cheaper.
 */
export function phaseOf(serial: number): number {
  return Math.floor(placeOf(Math.floor(serial / RUN)) * 1000);
}

/**
 * The liveness state of one connection. All times are in attended milliseconds (see `liveness/attended-clock.ts`), whole, unless stated
 * otherwise. Only its own methods write it, so a connection exposes it as `Readonly`. The pulse is a link, which the heartbeat service puts
 * into its wheel.
 */
export class Pulse<Owner> extends Link {
  /** The start of the current interval: the peer was alive at this time or later. */
  silentSince = 0;
  /** The last check of the socket. Bytes that the next check finds arrived after it. */
  checkedAt = 0;
  /** The arrival of the last complete message of the peer. */
  messageAt = NEVER;
  /** The last arrival of bytes that are no message: a ping, an unsolicited pong or, with a resolution of a second, a part of a message. */
  bytesAt = NEVER;
  /** The last application message in either direction; heartbeats of either kind do not count. */
  activeAt = NEVER;
  /** The time at which the unanswered ping was sent. */
  pingedAt = NEVER;
  /** The same in monotonic milliseconds with their fraction, for the round trip. */
  pingSentAt = Number.NaN;
  /** The time at which bytes were last noticed, in monotonic milliseconds. */
  lastSeenAt = 0;
  /** Number of consecutive pings without an answer for `pongTimeoutMs`. */
  missed = 0;
  /** The last round trip in whole microseconds: V8 would store a fraction outside of the object. */
  #rttMicros = NEVER;
  /** The time of the next check. */
  checkDueAt = 0;
  /** Pings that were answered, and the time of the last answer in monotonic milliseconds. */
  answered = 0;
  answeredAt = NEVER;
  /** Further round trips in whole microseconds; `NEVER` before the first. */
  minRttMicros = NEVER;
  maxRttMicros = NEVER;
  meanRttMicros = NEVER;

  constructor(
    readonly owner: Owner,
    /** The position in the interval at which this idle connection is pinged, in thousandths; constant. */
    readonly phase: number,
    readonly openedAt: number,
    /** `bytesRead` of the transport at the last check. */
    public bytesSeen: number,
  ) {
    super();
  }

  /** The last known arrival of bytes. */
  get lastActivityAt(): number {
    return Math.max(this.messageAt, this.bytesAt);
  }

  /** The round trip of the last answered ping, in milliseconds; null before the first. */
  get rttMs(): number | null {
    return this.#rttMicros === NEVER ? null : this.#rttMicros / 1000;
  }

  measured(rttMs: number): void {
    const micros = Math.round(rttMs * 1000);
    const isFirst = this.#rttMicros === NEVER;
    const mean = isFirst ? micros : this.meanRttMicros;
    this.minRttMicros = isFirst ? micros : Math.min(this.minRttMicros, micros);
    this.maxRttMicros = Math.max(this.maxRttMicros, micros);
    this.meanRttMicros = mean + Math.round((micros - mean) / Math.min(Math.max(1, this.answered), MEAN_OF));
    this.#rttMicros = micros;
  }

  /** The time at which bytes were last noticed, including bytes since the last check; in monotonic milliseconds, like `now`. */
  seenAt(now: number, bytesRead: number): number {
    return bytesRead === this.bytesSeen || this.lastActivityAt >= this.checkedAt ? this.lastSeenAt : now;
  }

  /** @param now In monotonic milliseconds, here and below. */
  seen(now: number): void {
    this.lastSeenAt = Math.trunc(now);
  }

  /** A complete message arrived, of the application or of its heartbeat. */
  messageCame(at: number, now: number): void {
    this.messageAt = at;
    this.seen(now);
  }

  /** Bytes arrived that are not a complete message: at this time, or after it where that is all that is known. */
  bytesCame(at: number, now: number): void {
    this.bytesAt = Math.max(this.bytesAt, at);
    this.seen(now);
  }

  /** A message of the application was received or sent. */
  active(at: number): void {
    this.activeAt = at;
  }

  /** The peer is alive: the interval restarts at `since`, and no ping is unanswered. */
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

  /** A ping was answered. */
  ponged(now: number): void {
    this.answered++;
    this.answeredAt = Math.trunc(now);
    this.seen(now);
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
