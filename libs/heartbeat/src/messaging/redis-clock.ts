/** How far two clocks drift apart at most: a fifth of a millisecond in a second. One that is corrected faster shows as another in the end. */
const DRIFT = 0.0002;
/** The store tells whole milliseconds. */
const ROUNDING_MS = 1;

/**
 * What a node knows of the store's clock, on which all nodes agree. The store reads it somewhere on the way of its answer: taken for the
 * middle, it is right to half of that way. So the answer with the shortest way is believed until a later one is better.
 */
export class RedisClock {
  #doubtMs = Infinity;
  #notedAt = 0;

  /** @param aheadMs How much the store's clock is ahead of our monotonic one, until the store has told. */
  constructor(private aheadMs: number) {}

  /** Notes that the store, asked and answered at two of our moments, said `time`. */
  note(askedAt: number, answeredAt: number, time: number): void {
    const doubtMs = (answeredAt - askedAt) / 2 + ROUNDING_MS;
    const aheadMs = time - askedAt - (answeredAt - askedAt) / 2;
    const grownMs = this.#doubtMs + (answeredAt - this.#notedAt) * DRIFT;
    // Too far from what we knew to be the same clock: it was set, is another store's, or this machine has slept.
    const isAnother = Math.abs(aheadMs - this.aheadMs) > doubtMs + grownMs;
    if (doubtMs > grownMs && !isAnother) return;
    this.aheadMs = aheadMs;
    this.#doubtMs = doubtMs;
    this.#notedAt = answeredAt;
  }

  /** One of our moments by the store's clock. */
  timeOf(moment: number): number {
    return moment + this.aheadMs;
  }
}
