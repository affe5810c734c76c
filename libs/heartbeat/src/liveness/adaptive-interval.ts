/** The bounds of the interval. */
export interface IntervalBounds {
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
}

/** Above the first load the interval grows, below the second it shrinks. Between them it stays. */
const BUSY = 0.7;
const QUIET = 0.3;
const GROWTH = 1.25;
const SHRINKAGE = 0.9;
/** Minimum time between two steps, so that a step's effect on the load is measured before the next. */
export const DWELL_MS = 10_000;

/**
 * The next interval. Each call changes it by at most one step: it grows on a busy node and shrinks on an idle one. It never leaves the
 * bounds, so the guarantee for the detection of dead connections holds with `maxIntervalMs`.
 * @param load 0 to 1.
 * @param sinceStepMs Time since the last change of the interval.
 */
export function nextInterval(intervalMs: number, load: number, sinceStepMs: number, bounds: IntervalBounds): number {
  if (sinceStepMs < DWELL_MS) return intervalMs;
  const factor = load > BUSY ? GROWTH : load < QUIET ? SHRINKAGE : 1;
  return Math.round(Math.min(bounds.maxIntervalMs, Math.max(bounds.minIntervalMs, intervalMs * factor)));
}
