/**
 * Maximum drift of two clocks: a fifth of a millisecond in a second. A clock that is corrected faster is finally handled as another one.
 */
const DRIFT = 0.0002;
/** The store returns whole milliseconds. */
const ROUNDING_MS = 1;

/**
 * Estimates the store's clock, which all nodes share. The store reads it at some time during the round trip. The middle is correct to half
 * of the round trip. So the reply with the shortest round trip is used until a later one is better.
 */
export class RedisClock {
  #doubtMs = Infinity;
  #notedAt = 0;

  /** @param aheadMs The offset of the store's clock to this node's monotonic one, until the first reply. */
  constructor(private aheadMs: number) {}

  /** Records that the store returned `time` in a round trip between two times of this node's clock. */
  note(askedAt: number, answeredAt: number, time: number): void {
    const doubtMs = (answeredAt - askedAt) / 2 + ROUNDING_MS;
    const aheadMs = time - askedAt - (answeredAt - askedAt) / 2;
    const grownMs = this.#doubtMs + (answeredAt - this.#notedAt) * DRIFT;
    // Too far from the estimate for the same clock: it was set, it belongs to another store, or this machine was suspended.
    const isAnother = Math.abs(aheadMs - this.aheadMs) > doubtMs + grownMs;
    if (doubtMs > grownMs && !isAnother) return;
    this.aheadMs = aheadMs;
    this.#doubtMs = doubtMs;
    this.#notedAt = answeredAt;
  }

  /** Converts a time of this node's clock to the store's clock. */
  timeOf(moment: number): number {
    return moment + this.aheadMs;
  }
}
