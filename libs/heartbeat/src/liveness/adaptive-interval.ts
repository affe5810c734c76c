/** Between which bounds, and how long an interval stays at least. */
export interface IntervalBounds {
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
}

/** Above this load the interval grows, below the other it shrinks; between them it stays. */
const BUSY = 0.7;
const QUIET = 0.3;
const GROWTH = 1.25;
const SHRINKAGE = 0.9;
/** No two steps within this time, so that a step's effect on the load is seen before the next. */
export const DWELL_MS = 10_000;

/**
 * The next interval, one step at a time: busy nodes ask less often, idle ones come back. Never outside the bounds, so the
 * promise of finding the dead holds with `maxIntervalMs`.
 * @param load 0 to 1.
 * @param sinceStepMs How long the present interval has been in force.
 */
export function nextInterval(intervalMs: number, load: number, sinceStepMs: number, bounds: IntervalBounds): number {
  if (sinceStepMs < DWELL_MS) return intervalMs;
  const factor = load > BUSY ? GROWTH : load < QUIET ? SHRINKAGE : 1;
  return Math.round(Math.min(bounds.maxIntervalMs, Math.max(bounds.minIntervalMs, intervalMs * factor)));
}
