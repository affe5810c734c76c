/** Time without a turn that counts at most, so that a node that was stalled does not catch up in one burst, in milliseconds. */
const MAX_STEP_MS = 250;

/** The number of kicks that are due, evenly over time. */
export class Pace {
  #credit = 1;
  #at: number;

  /** @param now Monotonic milliseconds. The first kick is due at once. */
  constructor(
    private readonly perSecond: number,
    now: number,
  ) {
    this.#at = now;
  }

  /** The number of kicks that have become due since the last call. */
  due(now: number): number {
    this.#credit += (Math.min(now - this.#at, MAX_STEP_MS) / 1000) * this.perSecond;
    this.#at = now;
    const due = Math.floor(this.#credit);
    this.#credit -= due;
    return due;
  }
}
