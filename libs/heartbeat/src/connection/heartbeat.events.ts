import { Injectable } from '@nestjs/common';
import { merge, type Observable, Subject } from 'rxjs';

import type { ClosedBy } from '../protocol/close-code.js';
import type { ConnectionView } from './listing/connection-view.js';
import { GuardedObservable } from '../base/guarded-observable.js';

/** The reason of a refused upgrade, the end of the problem's `type`: docs/protocol.md. */
export const REFUSAL_REASONS = [
  'bad-upgrade',
  'unauthenticated',
  'origin-refused',
  'banned',
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

/** Why a message was not taken. */
export type MessageRefusal = 'not-json' | 'unknown-event' | 'too-big' | 'rate' | 'unfinished' | 'protocol';

/** What the load was read from. */
export type LoadSource = 'event-loop' | 'heap' | 'memory' | 'cpu';

/** Why the reaper closed a connection. */
export type ReapReason = 'idle' | 'lifetime' | 'unauthenticated';

/**
 * How the books were wrong, and put right (`registry`: an entry without a socket, `socket`: a socket without an entry, `index`: a
 * stale index), or what grows that should not (`listeners`, `disposers`, `streams` of answers, `retained`: closed connections that something holds).
 */
export type DriftKind = 'registry' | 'socket' | 'index' | 'listeners' | 'disposers' | 'streams' | 'retained';

/** `well` under 0.7, `busy` above, `refusing` above `load.refuseAbove`, `shedding` above `load.shedAbove`; each left only well below. */
export type LoadLevel = 'well' | 'busy' | 'refusing' | 'shedding';

/** A ban, as it is told; it holds for `forMs` from then on. */
export interface BanNotice {
  readonly id: string;
  readonly kind: 'user' | 'ip' | 'cidr';
  readonly value: string;
  readonly reason: string;
  readonly forMs: number;
}

/**
 * Everything that happens, told once. The core announces; metrics, audit and pages listen.
 * `id` is a connection's id, and in `unbanned` that of a ban; times are those of `Clock.now()`.
 */
export type HeartbeatEvent =
  | { readonly type: 'opened'; readonly id: string; readonly path: string; readonly ip: string }
  /** Said who it is, or that it is somebody else; at the opening `opened` is all there is. */
  | {
      readonly type: 'identified';
      readonly id: string;
      readonly userId: string | null;
      readonly previous: string | null;
    }
  | { readonly type: 'banned'; readonly ban: BanNotice }
  /** Lifted; it would have held for `forMs` more. */
  | { readonly type: 'unbanned'; readonly id: string; readonly forMs: number }
  | { readonly type: 'refused'; readonly status: number; readonly reason: RefusalReason; readonly ip: string }
  | { readonly type: 'ping'; readonly id: string }
  /** `rttMs` is null where nobody can tell which ping was answered. */
  | { readonly type: 'pong'; readonly id: string; readonly rttMs: number | null }
  /** A ping stayed unanswered for `pongTimeoutMs`; `missed` counts them in a row. */
  | { readonly type: 'missed'; readonly id: string; readonly missed: number }
  /** A slow consumer: over its limit, too slow for too long, or the largest when all together are too many. */
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
  | { readonly type: 'drain-progress'; readonly remaining: number; readonly total: number }
  | { readonly type: 'drain-ended'; readonly total: number; readonly terminated: number; readonly durationMs: number }
  /** The node serves again; closes that have begun continue. */
  | { readonly type: 'drain-aborted'; readonly remaining: number; readonly total: number }
  | { readonly type: 'drift'; readonly kind: DriftKind; readonly count: number };

/** The event or events of a type. */
export type HeartbeatEventOf<Type extends HeartbeatEvent['type']> = Extract<HeartbeatEvent, { readonly type: Type }>;

/**
 * The event stream: hot, without replay. A subscriber is called synchronously, so it must be quick. What it throws, and an error of
 * an operator before it that it does not handle, is logged and counted (`ws_application_errors_total`) and ends neither the process
 * nor other subscribers. Subscribers of `stream` are called before those of `ofType`.
 */
@Injectable()
export class HeartbeatEvents {
  readonly #all = new Subject<HeartbeatEvent>();
  readonly #byType = new Map<HeartbeatEvent['type'], Subject<HeartbeatEvent>>();

  /** The type of the event that is announced at the moment. */
  #current: HeartbeatEvent['type'] | null = null;
  /** Owner: the registry. Takes what a subscriber threw, and at which event where that is known. */
  subscriberFailed: (event: HeartbeatEvent['type'] | null, error: unknown) => void = () => undefined;
  readonly #report = (error: unknown) => this.subscriberFailed(this.#current, error);

  /** All events, with two for each heartbeat; `ofType` selects. */
  readonly stream: Observable<HeartbeatEvent> = new GuardedObservable<HeartbeatEvent>(this.#all, this.#report);

  /** The events of these types only. `opened`, `closed`, `ping`, `pong` and `missed` are not made unless somebody listens to them. */
  ofType<Type extends HeartbeatEvent['type']>(...types: Type[]): Observable<HeartbeatEventOf<Type>> {
    const each = [...new Set(types)].map(type => this.#subject(type).asObservable());
    return new GuardedObservable<HeartbeatEventOf<Type>>(merge(...each), this.#report);
  }

  /** Whether anybody listens to events of this type; lets the core skip making those that are frequent. */
  isWanted(type: HeartbeatEvent['type']): boolean {
    return this.#all.observed || this.#byType.get(type)?.observed === true;
  }

  announce(event: HeartbeatEvent): void {
    const outer = this.#current;
    this.#current = event.type;
    this.#all.next(event);
    this.#byType.get(event.type)?.next(event);
    this.#current = outer;
  }

  #subject(type: HeartbeatEvent['type']): Subject<HeartbeatEvent> {
    const known = this.#byType.get(type);
    if (known) return known;
    const subject = new Subject<HeartbeatEvent>();
    this.#byType.set(type, subject);
    return subject;
  }
}
