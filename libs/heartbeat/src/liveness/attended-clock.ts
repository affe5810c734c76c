/**
 * The time that the server attended, in which deadlines of liveness are kept. A tick that is late by more than a small step adds only that
 * step. So a stall of any kind (a blocking handler, SIGSTOP, a frozen container, a suspended machine, a jump of the clock) moves every
 * deadline with it, and no connection seems silent because of it.
 */
export class AttendedClock {
  #last: number;
  #attended = 0;

  /**
   * @param start The monotonic time now.
   * @param maxStepMs The maximum that one tick adds, unless it is given with the tick.
   */
  constructor(
    start: number,
    private readonly maxStepMs: number,
  ) {
    this.#last = start;
  }

  /** Advances to the monotonic time `now`, and returns the attended time. It never decreases, even with a clock that does. */
  advance(now: number, maxStepMs = this.maxStepMs): number {
    const elapsed = Math.max(0, now - this.#last);
    this.#last = now;
    this.#attended += Math.min(elapsed, maxStepMs);
    return this.#attended;
  }
}
