import { NEVER } from '../connection/pulse.js';

/** What a check of a connection needs to know; attended milliseconds. */
export interface Timing {
  readonly silentSince: number;
  readonly pingedAt: number;
  readonly missed: number;
}

export interface Rules {
  readonly intervalMs: number;
  readonly pongTimeoutMs: number;
  readonly missedPongs: number;
}

/** `wait`: nothing to do yet. `ping`: it was silent for the interval. `missed`: ask again. `dead`: destroy it. */
export type Verdict = 'wait' | 'ping' | 'missed' | 'dead';

/** The whole liveness rule, free of clocks, sockets and side effects. */
export function judge({ silentSince, pingedAt, missed }: Timing, now: number, rules: Rules): Verdict {
  if (pingedAt === NEVER) return now - silentSince >= rules.intervalMs ? 'ping' : 'wait';
  if (now - pingedAt < rules.pongTimeoutMs) return 'wait';
  return missed + 1 >= rules.missedPongs ? 'dead' : 'missed';
}

/** When to check again: when a ping is due; while one is unanswered, when its answer is overdue, and no later. */
export function nextCheck({ silentSince, pingedAt }: Timing, { intervalMs, pongTimeoutMs }: Rules): number {
  return pingedAt === NEVER ? silentSince + intervalMs : pingedAt + pongTimeoutMs;
}

/**
 * The last of a connection's own ping moments that was not after `time`. An answered ping counts from there, not from its
 * answer: so an idle connection keeps its place in the interval for life, and connections that were once pinged together
 * (by a stall, or because all of them answered one broadcast) spread out again at once.
 */
export function pingMomentBefore(phase: number, time: number, intervalMs: number): number {
  // The moments are `phase` thousandths into each interval. Whole numbers only: what is a moment must be found to be one.
  const offset = Math.floor((phase * intervalMs) / 1000);
  return Math.floor((time - offset) / intervalMs) * intervalMs + offset;
}
