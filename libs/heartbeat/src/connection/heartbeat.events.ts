import { Inject, Injectable, Optional } from '@nestjs/common';
import { merge, type Observable, Subject } from 'rxjs';

import { type Clock, SystemClock } from '../base/clock.js';
import { GuardedObservable } from '../base/guarded-observable.js';
import { HEARTBEAT_CLOCK } from '../base/heartbeat.tokens.js';
import type { ClosedBy } from '../protocol/close-code.js';
import type { ConnectionView } from './listing/connection-view.js';
import type { ApplicationCall } from './application-call.js';
import type { LimitKey } from '../node/live-limits.js';
import type { LoadLevel, LoadSource } from '../node/load-state.js';

/** The reason of a refused upgrade, the end of the problem's `type`: docs/protocol.md. */
export const REFUSAL_REASONS = [
  'bad-upgrade',
  'unauthenticated',
  'origin-refused',
  'banned',
  'guard-refused',
  'no-such-path',
  'ip-limit',
  'user-limit',
  'upgrade-rate',
  'at-capacity',
  'draining',
  'overloaded',
  'authentication-timeout',
  'starting',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** The reason why a message was refused. */
export type MessageRefusal = 'not-json' | 'unknown-event' | 'too-big' | 'rate' | 'unfinished' | 'protocol';

/** The reason why the reaper closed a connection. */
export type ReapReason = 'idle' | 'lifetime' | 'unauthenticated';

/**
 * A registry that was wrong and was repaired (`registry`: an entry without a socket, `socket`: a socket without an entry, `index`: a
 * stale index), or a number that grows and should not (`listeners`, `disposers`, `streams` of answers, `retained`: closed connections
 * that are still referenced).
 */
export type DriftKind = 'registry' | 'socket' | 'index' | 'listeners' | 'disposers' | 'streams' | 'retained';

/** A ban; it is in force for `forMs` from the event on. */
export interface BanNotice {
  readonly id: string;
  readonly kind: 'user' | 'ip' | 'cidr';
  readonly value: string;
  readonly reason: string;
  readonly forMs: number;
  /** The initiator: the name of a token, or the one that the application gave. Absent where none is known. */
  readonly by?: string | undefined;
}

/** Limits in force on this node that have changed. */
export type ChangedLimits = { readonly [Key in LimitKey]?: { readonly before: number; readonly after: number } };

/** An event as the core publishes it. `id` is the id of a connection, and in `unbanned` that of a ban. */
export type EventPayload =
  | { readonly type: 'opened'; readonly id: string; readonly path: string; readonly ip: string }
  /** A connection got its identity, or another one, by `identify()`. An identity from the upgrade has no event. */
  | {
      readonly type: 'identified';
      readonly id: string;
      readonly userId: string | null;
      readonly previous: string | null;
    }
  | { readonly type: 'banned'; readonly ban: BanNotice }
  /** A ban was lifted that would have been in force for another `forMs`. */
  | { readonly type: 'unbanned'; readonly id: string; readonly forMs: number }
  /** `userId` where the user was known: a banned one, or one at its limit. */
  | {
      readonly type: 'refused';
      readonly status: number;
      readonly reason: RefusalReason;
      readonly ip: string;
      readonly userId?: string | undefined;
    }
  | { readonly type: 'ping'; readonly id: string }
  /** `rttMs` is null where it is unknown which ping was answered. */
  | { readonly type: 'pong'; readonly id: string; readonly rttMs: number | null }
  /** A ping stayed unanswered for `pongTimeoutMs`; `missed` counts them in a row. */
  | { readonly type: 'missed'; readonly id: string; readonly missed: number }
  /** A slow consumer: above its limit, too slow for too long, or the largest backlog while the total is too large. */
  | {
      readonly type: 'slow';
      readonly id: string;
      readonly bufferedBytes: number;
      readonly why: 'limit' | 'slow' | 'total';
    }
  | { readonly type: 'message-refused'; readonly id: string; readonly reason: MessageRefusal }
  | { readonly type: 'load-changed'; readonly ratio: number; readonly source: LoadSource; readonly level: LoadLevel }
  | { readonly type: 'reaped'; readonly id: string; readonly reason: ReapReason }
  | {
      readonly type: 'kicked';
      readonly id: string;
      readonly by: string;
      readonly reason: string;
      readonly code: number;
    }
  | {
      readonly type: 'closed';
      readonly connection: ConnectionView;
      readonly code: number;
      readonly reason: string;
      readonly by: ClosedBy;
      readonly durationMs: number;
    }
  | { readonly type: 'drain-started'; readonly connections: number; readonly reason: string }
  /** The process ends after the drain that was running, or that had closed all connections. */
  | { readonly type: 'drain-taken-over'; readonly remaining: number; readonly total: number; readonly reason: string }
  | { readonly type: 'drain-progress'; readonly remaining: number; readonly total: number }
  | { readonly type: 'drain-ended'; readonly total: number; readonly terminated: number; readonly durationMs: number }
  /** The node serves again; closes that have begun continue. */
  | { readonly type: 'drain-aborted'; readonly remaining: number; readonly total: number }
  /**
   * Limits in force on this node have changed: by an override for this node or for all, which lasts for `forMs` (null: until it is removed),
   * or because an override has ended (`by` is `expiry`, `scope` and `forMs` are null).
   */
  | {
      readonly type: 'limits-changed';
      readonly limits: ChangedLimits;
      readonly by: string;
      readonly forMs: number | null;
      readonly scope: 'node' | 'all' | null;
    }
  | { readonly type: 'drift'; readonly kind: DriftKind; readonly count: number };

/** The part of an event that is added when it is published. */
export interface EventStamp {
  /**
   * The number of the event: each event that this node publishes has the next number, from 1 at its start. An event without a subscriber is
   * not published and takes no number. Subscribers of `stream` receive every number from their subscription on. Subscribers of some types
   * receive gaps; so do later subscribers of numbers before their subscription.
   */
  readonly seq: number;
  /** The time of the publication in epoch milliseconds, for display and for streams over HTTP, never for a deadline. */
  readonly at: number;
}

/** An event as subscribers receive it. The core publishes; metrics, audit and pages subscribe. */
export type HeartbeatEvent = EventPayload & EventStamp;

/** The event or events of a type. */
export type HeartbeatEventOf<Type extends HeartbeatEvent['type']> = Extract<HeartbeatEvent, { readonly type: Type }>;

/** Time for which one reading of the wall clock is used for the times of events. */
const EPOCH_MS = 1000;

/**
 * The event stream: hot, without replay. A subscriber is called synchronously, so it must be fast. An exception of a subscriber, and an
 * error of an operator before it that it does not handle, is logged and counted (`ws_application_errors_total`). It ends neither the
 * process nor other subscribers. Subscribers of `stream` are called before those of `ofType`. An event that a subscriber causes is
 * published at once: later subscribers receive it before its cause, and `seq` gives the order.
 */
@Injectable()
export class HeartbeatEvents {
  readonly #all = new Subject<HeartbeatEvent>();
  readonly #byType = new Map<HeartbeatEvent['type'], Subject<HeartbeatEvent>>();

  /** Calls of public services by the application, for the audit trail. @internal */
  readonly calls = new Subject<ApplicationCall>();
  #seq = 0;
  /** The wall time of the clock's zero in epoch milliseconds, and the time at which it was read. */
  #epoch = 0;
  #epochReadAt = -Infinity;
  /** The type of the event that is being published. */
  #current: HeartbeatEvent['type'] | null = null;
  /** Owner: the registry. Receives the error of a subscriber, and the type of the event where that is known. */
  subscriberFailed: (event: HeartbeatEvent['type'] | null, error: unknown) => void = () => undefined;
  readonly #report = (error: unknown) => this.subscriberFailed(this.#current, error);

  constructor(@Optional() @Inject(HEARTBEAT_CLOCK) private readonly clock: Clock = new SystemClock()) {}

  /** All events, with two for each heartbeat; `ofType` filters them. */
  readonly stream: Observable<HeartbeatEvent> = new GuardedObservable<HeartbeatEvent>(this.#all, this.#report);

  /** Only the events of these types. `opened`, `closed`, `ping`, `pong` and `missed` are not created without a subscriber. */
  ofType<Type extends HeartbeatEvent['type']>(...types: Type[]): Observable<HeartbeatEventOf<Type>> {
    const each = [...new Set(types)].map(type => this.#subject(type).asObservable());
    return new GuardedObservable<HeartbeatEventOf<Type>>(merge(...each), this.#report);
  }

  /** Whether events of this type have a subscriber. Frequent events are skipped otherwise. */
  isWanted(type: HeartbeatEvent['type']): boolean {
    return this.#all.observed || this.#byType.get(type)?.observed === true;
  }

  /** The number of the last published event. @internal */
  get lastSeq(): number {
    return this.#seq;
  }

  /**
   * A number that is smaller than that of each later event, and larger than each number returned before an event of any type went
   * unpublished. So a record of events that begins here is known to lack all events up to this number. Skips a number, except where
   * subscribers of `stream` count them and no event went unpublished.
   * @internal
   */
  mark(): number {
    return this.#all.observed ? this.#seq : ++this.#seq;
  }

  /** Publishes an event to its subscribers. Does nothing without one. */
  announce(payload: EventPayload): void {
    const { type } = payload;
    if (!this.isWanted(type)) return;
    const event: HeartbeatEvent = { ...payload, seq: ++this.#seq, at: this.#wallTime() };
    const outer = this.#current;
    this.#current = type;
    this.#all.next(event);
    this.#byType.get(type)?.next(event);
    this.#current = outer;
  }

  /** One reading of the clock for each event: a clock may take microseconds, and a subscriber of `stream` receives every heartbeat. */
  #wallTime(): number {
    const now = this.clock.now();
    if (now - this.#epochReadAt >= EPOCH_MS) {
      this.#epoch = this.clock.wallTime(0).getTime();
      this.#epochReadAt = now;
    }
    return Math.trunc(this.#epoch + now);
  }

  #subject(type: HeartbeatEvent['type']): Subject<HeartbeatEvent> {
    const known = this.#byType.get(type);
    if (known) return known;
    const subject = new Subject<HeartbeatEvent>();
    this.#byType.set(type, subject);
    return subject;
  }
}
