/** A token bucket: the tokens left, and the time of that count. */
interface Bucket {
  tokens: number;
  countedAt: number;
}

/**
 * Token buckets by key, with `perSecond` tokens in the long run and bursts of the same size. Where the rate changes, `rateChanged` must be
 * called before the next `take`, so that each bucket grows at the rate that was in force. Memory is bounded: with more than `maxKeys` keys, the key that was silent longest is forgotten, which can only be to its advantage.
 */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  /** The key that is already the last one in the map, so that it need not be moved there again. */
  #latest: string | null = null;

  constructor(
    private readonly perSecond: () => number,
    private readonly maxKeys: number,
  ) {}

  /** Takes one token. Returns 0, or the milliseconds until there is one. A rate of 0 means no limit. */
  take(key: string, now: number): number {
    const perSecond = this.perSecond();
    if (perSecond === 0) return 0;
    const bucket = this.#buckets.get(key) ?? { tokens: perSecond, countedAt: now };
    grow(bucket, perSecond, now);
    this.#keep(key, bucket);
    if (bucket.tokens < 1) return ((1 - bucket.tokens) * 1000) / perSecond;
    bucket.tokens--;
    return 0;
  }

  /** Returns the last token taken, for a client that was refused for another reason. */
  giveBack(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens++;
  }

  /**
   * Counts all buckets at the rate that has ended. A bucket above the new rate loses the rest at its next use. Where the limit was or is off,
   * buckets have no meaning and are forgotten.
   */
  rateChanged(before: number, now: number): void {
    this.#latest = null;
    if (before === 0 || this.perSecond() === 0) return this.#buckets.clear();
    for (const bucket of this.#buckets.values()) grow(bucket, before, now);
  }

  /** The number of keys that are stored. */
  get size(): number {
    return this.#buckets.size;
  }

  /** A map keeps the order of insertion, so a key that is inserted again is the last to be forgotten. */
  #keep(key: string, bucket: Bucket): void {
    if (key === this.#latest) return;
    this.#latest = key;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size <= this.maxKeys) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

function grow(bucket: Bucket, perSecond: number, now: number): void {
  bucket.tokens = Math.min(perSecond, bucket.tokens + ((now - bucket.countedAt) * perSecond) / 1000);
  bucket.countedAt = now;
}
