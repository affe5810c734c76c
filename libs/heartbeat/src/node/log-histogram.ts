/** Buckets for each doubling of the value. */
const STEPS = 4;
/** Buckets: from 0.125 ms to 16 s. */
export const HISTOGRAM_BUCKETS = 64;
/** Buckets are whole multiples of this part of a millisecond. */
const PARTS = 8;
const MAX_PARTS = 2 ** 17 - 1;

/**
 * Counts durations in buckets that grow with the value: four for each doubling, so that a percentile is right to an eighth of its value.
 * Recording takes a few nanoseconds, and any two histograms can be added, over time and over nodes.
 */
export class LogHistogram {
  /** Number of values since the start, by bucket. Longer values than 16 s are in the last one. */
  readonly counts = new Float64Array(HISTOGRAM_BUCKETS);
  #max = 0;

  record(ms: number): void {
    this.counts[bucketOf(ms)]!++;
    if (ms > this.#max) this.#max = ms;
  }

  /** The longest value since the last call; 0 without one. */
  takeMax(): number {
    const max = this.#max;
    this.#max = 0;
    return max;
  }
}

function bucketOf(ms: number): number {
  const parts = Math.min(MAX_PARTS, Math.floor(ms * PARTS));
  if (parts < STEPS) return parts;
  const exponent = 31 - Math.clz32(parts);
  return (exponent - 1) * STEPS + ((parts >> (exponent - 2)) & (STEPS - 1));
}

/** The lower bound of a bucket, in milliseconds. */
function boundOf(bucket: number): number {
  if (bucket < STEPS) return bucket / PARTS;
  return ((STEPS + (bucket % STEPS)) * 2 ** (Math.floor(bucket / STEPS) - 1)) / PARTS;
}

/**
 * The values below which the `shares` of all values are, interpolated within their buckets, in milliseconds. Null without a value.
 * @param shares In ascending order, from 0 to 1.
 */
export function percentiles(counts: ArrayLike<number>, shares: readonly number[]): number[] | null {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket]!;
  if (total === 0) return null;
  let bucket = 0;
  let below = 0;
  return shares.map(share => {
    while (below + counts[bucket]! < share * total) below += counts[bucket++]!;
    const inside = counts[bucket] === 0 ? 0 : (share * total - below) / counts[bucket]!;
    return boundOf(bucket) + inside * (boundOf(bucket + 1) - boundOf(bucket));
  });
}
