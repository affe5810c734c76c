/** A token bucket: what is left, and when it was counted. */
interface Bucket {
  tokens: number;
  countedAt: number;
}

/**
 * Token buckets by key: `perSecond` in the long run, bursts of as many. The rate may change at any time. Memory is bounded: past
 * `maxKeys` the key that was silent longest is forgotten, which can only be to its advantage.
 */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  /** The key that stands last already: to put it there again is spared. */
  #latest: string | null = null;

  constructor(
    private readonly perSecond: () => number,
    private readonly maxKeys: number,
  ) {}

  /** Takes one; returns 0, or the milliseconds until there will be one again. A rate of 0 is no limit. */
  take(key: string, now: number): number {
    const perSecond = this.perSecond();
    if (perSecond === 0) return 0;
    const bucket = this.#buckets.get(key) ?? { tokens: perSecond, countedAt: now };
    const grown = bucket.tokens + ((now - bucket.countedAt) * perSecond) / 1000;
    bucket.tokens = Math.min(perSecond, grown);
    bucket.countedAt = now;
    this.#keep(key, bucket);
    if (bucket.tokens < 1) return ((1 - bucket.tokens) * 1000) / perSecond;
    bucket.tokens--;
    return 0;
  }

  /** Gives back the last one taken, for a client that was refused for another reason. */
  giveBack(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens++;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** A map remembers the order of insertion: what is put in anew is the last to be forgotten. */
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
