import { NEVER } from '../connection/pulse.js';
import { TICK_MS } from './tick-timer.js';

/** A round trip with more unattended time than this is not recorded. Attended time may lag by two ticks, one of them late. */
const MAX_UNATTENDED_MS = 4 * TICK_MS;

/** The state of a connection that a check needs; attended milliseconds. */
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

/** `wait`: nothing is due. `ping`: silent for the interval. `missed`: ping again. `dead`: destroy the connection. */
export type Verdict = 'wait' | 'ping' | 'missed' | 'dead';

/** The complete liveness rule, without clocks, sockets and side effects. */
export function judge({ silentSince, pingedAt, missed }: Timing, now: number, rules: Rules): Verdict {
  if (pingedAt === NEVER) return now - silentSince >= rules.intervalMs ? 'ping' : 'wait';
  if (now - pingedAt < rules.pongTimeoutMs) return 'wait';
  return missed + 1 >= rules.missedPongs ? 'dead' : 'missed';
}

/**
 * The round trip of a ping. Null where the clock has jumped, or the event loop was blocked, while the ping was in flight: the time is not
 * that of the network.
 * @param now Monotonic milliseconds, like `pingSentAt`.
 */
export function roundTrip(
  ping: { pingedAt: number; pingSentAt: number },
  now: number,
  attended: number,
): number | null {
  const ms = now - ping.pingSentAt;
  return ms - (attended - ping.pingedAt) > MAX_UNATTENDED_MS ? null : ms;
}

/** The time of the next check: when a ping is due or, while a ping is unanswered, when its answer is overdue. */
export function nextCheck({ silentSince, pingedAt }: Timing, { intervalMs, pongTimeoutMs }: Rules): number {
  return pingedAt === NEVER ? silentSince + intervalMs : pingedAt + pongTimeoutMs;
}

/**
 * The last of a connection's own ping moments that is not after `time`. An answered ping counts from this moment, not from its answer. So
 * an idle connection keeps its position in the interval to its end. Connections that were pinged together (after a stall, or after they
 * answered one broadcast) are spread again at once.
 */
export function pingMomentBefore(phase: number, time: number, intervalMs: number): number {
  // The moments are `phase` thousandths into each interval. The formula uses integers only, so that a moment maps to itself.
  const offset = Math.floor((phase * intervalMs) / 1000);
  return Math.floor((time - offset) / intervalMs) * intervalMs + offset;
}
