/** Monotonic time for everything that measures, and its translation to wall time for everything that is shown. */
export interface Clock {
  /** Milliseconds since some fixed moment of this process; never goes back, may stand still while the machine is suspended. */
  now(): number;
  /** The wall time of a moment of `now()`, for people and for the wire; never for a deadline. */
  wallTime(moment: number): Date;
}

/** A change of the wall clock smaller than this is not followed, so that a moment is shown the same at every look. */
const WALL_STEP_MS = 1000;

/** The real clock: `performance.now()`, and the system's wall clock at the edge. */
export class SystemClock implements Clock {
  #offset = Number.NEGATIVE_INFINITY;

  now(): number {
    return performance.now();
  }

  wallTime(moment: number): Date {
    const offset = Date.now() - performance.now();
    if (Math.abs(offset - this.#offset) > WALL_STEP_MS) this.#offset = offset;
    return new Date(this.#offset + moment);
  }
}
