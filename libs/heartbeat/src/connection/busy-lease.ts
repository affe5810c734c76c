import { describeProblem, HeartbeatError, type Problem } from '../base/heartbeat.error.js';

/** The limits of a lease of `Connection.busy`. */
export interface BusyLimits {
  /** The lease ends after this time, in milliseconds. Default: only by `done()`, or with the connection. */
  readonly atMostMs?: number;
  /** Whether messages of the client are still handled while a drain waits for the lease. Default: true. */
  readonly receive?: boolean;
}

/** Announced work, for which a drain waits: `Connection.busy`. */
export interface BusyLease {
  /** The name of the work, for log lines. */
  readonly what: string;
  /** The work is done. A further call has no effect. */
  done(): void;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}

/**
 * The leases of one connection. No timer ends a lease: it is in force at a time, or it is not. So each reader passes the time, in monotonic
 * milliseconds.
 */
export class Leases {
  #held: Lease[] = [];

  take(what: string, { atMostMs = Infinity, receive = true }: BusyLimits, now: number): BusyLease {
    this.#inForce(now);
    const lease = new Lease(what, now + atMostMs, receive, this);
    this.#held.push(lease);
    return lease;
  }

  /** The number of leases in force. */
  count(now: number): number {
    return this.#inForce(now).length;
  }

  /** Whether messages are handled under one of them. */
  receive(now: number): boolean {
    return this.#inForce(now).some(({ receives }) => receives);
  }

  /** The name of the work that was announced first; undefined without a lease in force. */
  first(now: number): string | undefined {
    return this.#inForce(now)[0]?.what;
  }

  remove(lease: Lease): void {
    const place = this.#held.indexOf(lease);
    if (place !== -1) this.#held.splice(place, 1);
  }

  /** Forgets leases whose time is over. */
  #inForce(now: number): readonly Lease[] {
    if (this.#held.some(({ endsAt }) => endsAt <= now)) this.#held = this.#held.filter(({ endsAt }) => endsAt > now);
    return this.#held;
  }
}

class Lease implements BusyLease {
  constructor(
    readonly what: string,
    readonly endsAt: number,
    readonly receives: boolean,
    private leases: Leases | null,
  ) {}

  done(): void {
    this.leases?.remove(this);
    this.leases = null;
  }

  [Symbol.dispose](): void {
    this.done();
  }
}

/** A lease on an ended connection. */
export function finishedLease(what: string): BusyLease {
  return new Lease(what, 0, false, null);
}

/** @throws HeartbeatError `HEARTBEAT_BAD_BUSY` for a name or limits that are none. */
export function assertBusy(what: unknown, limits: unknown): void {
  const problems = problemsOf(what, limits);
  if (problems.length === 0) return;
  const text = problems.map(problem => describeProblem(problem)).join('; ');
  throw new HeartbeatError('HEARTBEAT_BAD_BUSY', `no lease was taken: ${text}`, problems);
}

function problemsOf(what: unknown, limits: unknown): Problem[] {
  const isKnown = typeof limits === 'object' && limits !== null && !Array.isArray(limits);
  const unknown = isKnown ? Object.keys(limits).filter(key => key !== 'atMostMs' && key !== 'receive') : [];
  if (!isKnown || unknown.length > 0) {
    const remedy = unknown.length > 0 ? `correct ${unknown.join(' and ')}` : 'leave it out';
    return [{ key: 'limits', value: limits, rule: 'must be { atMostMs?, receive? }', remedy }];
  }
  const { atMostMs = 1, receive = true } = limits as Partial<Record<keyof BusyLimits, unknown>>;
  const found: (Problem | false)[] = [
    (typeof what !== 'string' || what === '') && {
      key: 'what',
      value: what,
      rule: 'must be a text that is not empty',
      remedy: 'name the work',
    },
    !(typeof atMostMs === 'number' && atMostMs >= 0) && {
      key: 'atMostMs',
      value: atMostMs,
      rule: 'must be a number of milliseconds from 0',
      remedy: 'correct it, or leave it out for a lease without a limit',
    },
    typeof receive !== 'boolean' && {
      key: 'receive',
      value: receive,
      rule: 'must be true or false',
      remedy: 'correct it, or leave it out for true',
    },
  ];
  return found.filter(problem => problem !== false);
}
