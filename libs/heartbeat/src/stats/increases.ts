import { HISTOGRAM_BUCKETS, type LogHistogram } from '../node/log-histogram.js';
import type { Column, ReadColumn, StatsSources } from './columns.js';

/** The values of each sample: levels, and the increases of totals since the sample before. */
export class ColumnReader {
  readonly #before: Float64Array;
  readonly #values: Float64Array;

  constructor(
    readonly columns: readonly ReadColumn[],
    private readonly sources: StatsSources,
  ) {
    this.#before = Float64Array.from(columns, ({ read }) => read(sources));
    this.#values = new Float64Array(columns.length);
  }

  /** The result is valid until the next call. */
  take(): Float64Array {
    this.columns.forEach(({ kind, read }, index) => {
      const now = read(this.sources);
      this.#values[index] = kind === 'level' ? now : now - this.#before[index]!;
      this.#before[index] = now;
    });
    return this.#values;
  }
}

/** The new values of a histogram since the sample before. */
export class HistogramReader {
  readonly #before = new Float64Array(HISTOGRAM_BUCKETS);
  readonly #increase = new Float64Array(HISTOGRAM_BUCKETS);

  constructor(private readonly histogram: LogHistogram) {
    this.#before.set(histogram.counts);
  }

  /** The result is valid until the next call. */
  take(): Float64Array {
    const { counts } = this.histogram;
    for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
      this.#increase[bucket] = counts[bucket]! - this.#before[bucket]!;
    }
    this.#before.set(counts);
    return this.#increase;
  }
}

/** Half of the increases of a sample that covers two seconds, in whole numbers; levels as they are. `values` keeps the other half. */
export function takeHalf(columns: readonly Column[], values: Float64Array): Float64Array {
  return values.map((value, index) => {
    if (columns[index]!.overTime !== 'sum') return value;
    const half = Math.floor(value / 2);
    values[index] = value - half;
    return half;
  });
}
