import { NEVER } from '../connection/pulse.js';

/** What a look at a connection needs to know; attended milliseconds. */
export interface Timing {
  readonly quietSince: number;
  readonly pingedAt: number;
  readonly missed: number;
  readonly phase: number;
}

export interface Rules {
  readonly intervalMs: number;
  readonly pongTimeoutMs: number;
  readonly missedPongs: number;
  /** Whether the time of all bytes is known without a look; else looks come in between, to notice them. */
  readonly accounted?: boolean;
}

/** `wait`: nothing to do yet. `ping`: it was silent for the interval. `missed`: ask again. `dead`: destroy it. */
export type Verdict = 'wait' | 'ping' | 'missed' | 'dead';

/** How often a connection is looked at in an interval where the time of some bytes is known by looking only, to this part. */
const LOOKS_PER_INTERVAL = 4;

/** The whole liveness rule, free of clocks, sockets and side effects. */
export function judge({ quietSince, pingedAt, missed }: Timing, now: number, rules: Rules): Verdict {
  if (pingedAt === NEVER) return now - quietSince >= rules.intervalMs ? 'ping' : 'wait';
  if (now - pingedAt < rules.pongTimeoutMs) return 'wait';
  return missed + 1 >= rules.missedPongs ? 'dead' : 'missed';
}

/**
 * When to look again: when its ping is due; where bytes have to be noticed, at the next of its own moments in the interval if
 * that is earlier. While a ping is unanswered, when the answer is overdue.
 */
export function nextLook(timing: Timing, now: number, rules: Rules): number {
  if (timing.pingedAt !== NEVER) return timing.pingedAt + rules.pongTimeoutMs;
  if (rules.accounted) return timing.quietSince + rules.intervalMs;
  const step = Math.floor(rules.intervalMs / LOOKS_PER_INTERVAL);
  const nextMoment = momentBefore(timing.phase, now, step) + step;
  return Math.min(nextMoment, timing.quietSince + rules.intervalMs);
}

/**
 * The last of a connection's own ping moments that was not after `time`. An answered ping counts from there, not from its
 * answer: so an idle connection keeps its place in the interval for life, and connections that were once pinged together
 * (by a stall, or because all of them answered one broadcast) spread out again at once.
 */
export function pingMomentBefore(phase: number, time: number, intervalMs: number): number {
  return momentBefore(phase, time, intervalMs);
}

/** The moments are `phase` thousandths into each period; the last one that is not after `time`. */
function momentBefore(phase: number, time: number, period: number): number {
  // Whole numbers only: what is a moment must be found to be one.
  const offset = Math.floor((phase * period) / 1000);
  return Math.floor((time - offset) / period) * period + offset;
}
