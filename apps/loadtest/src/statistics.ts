/** Nearest-rank percentile of values sorted upwards; `null` of nothing. `share` is 0.5 for the median. */
export function percentile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.max(rank, 1) - 1] as number;
}

/** Counts by bucket number, in a shape that travels between processes. */
export interface HistogramCounts {
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
  readonly max: number;
}

/** Each bucket is 2 % wider than the one before, so a percentile is at most 1 % off at any size. */
const GROWTH = Math.log(1.02);
const SMALLEST_MS = 0.001;

/**
 * Durations counted in buckets. A run can last an hour with thousands of responses a second: the values
 * themselves would not fit, and percentiles of percentiles would be wrong. Bucket counts simply add up.
 */
export class DurationHistogram {
  #buckets = new Map<number, number>();
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** Exact, `null` before the first value. */
  get max(): number | null {
    return this.#count === 0 ? null : this.#max;
  }

  record(ms: number): void {
    const bucket = ms <= SMALLEST_MS ? 0 : Math.ceil(Math.log(ms / SMALLEST_MS) / GROWTH);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
    this.#count += 1;
    this.#max = Math.max(this.#max, ms);
  }

  /** The middle of the bucket that holds the percentile, `null` of nothing. */
  percentile(share: number): number | null {
    if (this.#count === 0) return null;
    const rank = Math.max(Math.ceil(share * this.#count), 1);
    let below = 0;
    for (const [bucket, count] of [...this.#buckets].toSorted(([left], [right]) => left - right)) {
      below += count;
      if (below >= rank) return Math.min(SMALLEST_MS * Math.exp((bucket - 0.5) * GROWTH), this.#max);
    }
    return this.#max;
  }

  add(counts: HistogramCounts): void {
    for (const [bucket, count] of counts.buckets) {
      this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + count);
      this.#count += count;
    }
    this.#max = Math.max(this.#max, counts.max);
  }

  /** The counts since the last take; the histogram is empty again. */
  take(): HistogramCounts {
    const counts = { buckets: [...this.#buckets], max: this.#max };
    this.#buckets = new Map();
    this.#count = 0;
    this.#max = 0;
    return counts;
  }
}
