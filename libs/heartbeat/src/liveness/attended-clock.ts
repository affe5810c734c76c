/**
 * Time that the server attended. Deadlines of liveness are kept in it: a tick that comes late by more than a small step
 * adds only that step. So a stall of any kind (a handler that blocks, SIGSTOP, a frozen container, a suspended machine, a
 * jump of the clock) moves every deadline with it, instead of making everybody look silent.
 */
export class AttendedClock {
  #last: number;
  #attended = 0;

  /**
   * @param start The monotonic time now.
   * @param maxStepMs The most that one tick may add.
   */
  constructor(
    start: number,
    private readonly maxStepMs: number,
  ) {
    this.#last = start;
  }

  /** Goes on to the monotonic time `now`; answers the attended time. Goes back never, not even with a clock that does. */
  advance(now: number): number {
    const elapsed = Math.max(0, now - this.#last);
    this.#last = now;
    this.#attended += Math.min(elapsed, this.maxStepMs);
    return this.#attended;
  }
}
