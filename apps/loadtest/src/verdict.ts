import { overlapMs, type Stretch } from './attendance.js';
import type { EndedClient, FaultyClient } from './tally.js';

/**
 * The result of a faulty client: `found` within the bound, `late` after it, `missed` although the bound
 * passed; `undecided` when the run ended before its bound, `drained` when the server closed all clients.
 */
export type Verdict = 'found' | 'late' | 'missed' | 'undecided' | 'drained';

export interface Circumstances {
  readonly boundMs: number;
  /** When the server did not attend, which is not counted against it. */
  readonly absences: readonly Stretch[];
  /** The time of the first close notification of a drain. */
  readonly drainedAt: number | null;
  /** When the run stopped looking. */
  readonly finishedAt: number;
}

export function judgeFaulty(
  client: FaultyClient,
  ended: EndedClient | undefined,
  { boundMs, absences, drainedAt, finishedAt }: Circumstances,
): Verdict {
  if (ended === undefined) {
    return attendedMs(client.lastSentAt, finishedAt, absences) > boundMs ? 'missed' : 'undecided';
  }
  // Where the moment is known to some hundred milliseconds only, the server has the benefit.
  if (attendedMs(client.lastSentAt, ended.earliestAt, absences) > boundMs) return 'late';
  return drainedAt !== null && ended.at >= drainedAt ? 'drained' : 'found';
}

/** Time that the server attended. */
export function attendedMs(from: number, to: number, absences: readonly Stretch[]): number {
  return to - from - overlapMs(absences, { from, to });
}
