/** Monotonic time for all measurements, and its translation to wall time for display. */
export interface Clock {
  /** Milliseconds since a fixed moment of this process. Never decreases; may stand still while the machine is suspended. */
  now(): number;
  /** The wall time of a moment of `now()`, for display and for the wire. Never used for a deadline. */
  wallTime(moment: number): Date;
}

/** Smaller changes of the wall clock are ignored, so that the same moment is always displayed the same. */
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
