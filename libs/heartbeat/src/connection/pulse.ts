/** "Never", where a time is expected. Small integers are stored in the object itself, so no `null` and no fractions here. */
export const NEVER = -1;

/** A monotonic time in milliseconds as microseconds that begin anew every 2^30, some 18 minutes. */
export function microsOf(ms: number): number {
  return Math.trunc(ms * 1000) % 2 ** 30;
}

/** How many milliseconds lie between two of {@link microsOf}, of which `to` is the later. */
export function msBetween(from: number, to: number): number {
  return ((to - from + 2 ** 30) % 2 ** 30) / 1000;
}

/** Connections that opened one after the other and share a place in the interval. */
const RUN = 32;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** A place on a circle, from 0 up to 1, for each number: however many there are, they leave no gap and make no crowd. */
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

/** A link of a circular list that knows no owner: it can be taken out by anybody who holds it, at no cost. */
export class Link {
  previous: Link = this;
  next: Link = this;

  /** Takes this link out of whatever list holds it. */
  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  /** Moves this link to the end of the list that `head` stands for. */
  appendTo(head: Link): void {
    this.unlink();
    this.previous = head.previous;
    this.next = head;
    head.previous.next = this;
    head.previous = this;
  }

  /** Moves the whole list that this link stands for to the end of that of `head`, however long it is. */
  emptyInto(head: Link): void {
    if (this.next === this) return;
    head.previous.next = this.next;
    this.next.previous = head.previous;
    head.previous = this.previous;
    this.previous.next = head;
    this.previous = this;
    this.next = this;
  }
}

/**
 * What liveness knows of one connection. All times are in attended milliseconds (see `liveness/attended-clock.ts`), whole,
 * unless said otherwise. The heartbeat service is the writer; it hangs the pulse, which is a link, into its wheel.
 */
export class Pulse<Owner> extends Link {
  /** When the connection was opened. */
  openedAt = 0;
  /** The interval counts from here: the peer was heard at this time or later. */
  silentSince = 0;
  /** The last look at the socket; what is noticed at the next one came in after it. */
  lookedAt = 0;
  /** When the dispatcher last had a whole message of the peer. */
  messageAt = NEVER;
  /** When bytes last came in that made no message: a ping, a pong that nobody asked for, to a second a part of a message. */
  heardAt = NEVER;
  /** When an application message last came in or went out; heartbeats of either kind are none. */
  activeAt = NEVER;
  /** When the ping that is unanswered was sent. */
  pingedAt = NEVER;
  /** The same in monotonic microseconds, for the round trip; begins anew every 18 minutes, so that it stays a small integer. */
  pingedAtMicros = 0;
  /** Pings in a row that stayed unanswered for `pongTimeoutMs`. */
  missed = 0;
  /** `bytesRead` of the network socket at the last look. */
  bytesSeen = 0;
  /** When the next look is due. */
  lookDueAt = 0;
  /** The second of attended time in which messages and pings are counted, and how many there were. */
  second = 0;
  messagesInSecond = 0;
  pingsInSecond = 0;
  /** Since when a message is in the making. */
  incompleteSince = NEVER;

  constructor(
    readonly owner: Owner,
    /** Where in the interval this connection is pinged while idle, in thousandths; kept for life. */
    readonly phase: number,
  ) {
    super();
  }

  /** The last time at which something is known to have come in. */
  get lastActivityAt(): number {
    return Math.max(this.messageAt, this.heardAt);
  }

  /** The peer is alive: the interval counts anew from `since`, and nothing is unanswered. */
  hear(since: number): void {
    this.silentSince = since;
    this.pingedAt = NEVER;
    this.missed = 0;
  }
}
