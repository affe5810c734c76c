import { HISTOGRAM_BUCKETS } from '../node/log-histogram.js';
import type { Column } from './columns.js';

/** Histograms of a sample: round trips, and delays of the event loop. */
export const HISTOGRAMS = ['rtt', 'lag'] as const;
export type HistogramName = (typeof HISTOGRAMS)[number];

/** The values of one second. */
export interface Sample {
  /** One for each column; NaN where it is not known yet. */
  readonly values: ArrayLike<number>;
  /** The new values by bucket; empty without any. */
  readonly histograms: Readonly<Record<HistogramName, ArrayLike<number>>>;
}

const MAX_COUNT = 65_535;

/**
 * Samples of a fixed number of periods, in typed arrays that never grow. A period without a sample is a gap. Values have 24 bits, so sums
 * up to 16 million are exact, and larger ones right to seven digits.
 */
export class SampleRing {
  readonly #values: Float32Array;
  readonly #histograms: Readonly<Record<HistogramName, Uint16Array>>;
  /** The period of each slot; -1 before the first. */
  readonly #periods: Float64Array;

  constructor(
    private readonly columns: readonly Column[],
    readonly slots: number,
  ) {
    this.#values = new Float32Array(columns.length * slots);
    const histogram = () => new Uint16Array(HISTOGRAM_BUCKETS * slots);
    this.#histograms = { rtt: histogram(), lag: histogram() };
    this.#periods = new Float64Array(slots).fill(-1);
  }

  /** Memory of all samples, in bytes. */
  get bytes(): number {
    const { rtt, lag } = this.#histograms;
    return [this.#values, rtt, lag, this.#periods].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  has(period: number): boolean {
    return this.#periods[period % this.slots] === period;
  }

  /** Adds a sample to its period; the first of a period replaces the oldest one in the ring. */
  add(period: number, { values, histograms }: Sample): void {
    const isFirst = !this.has(period);
    const slot = period % this.slots;
    this.#periods[slot] = period;
    for (let index = 0; index < this.columns.length; index++) {
      const at = slot * this.columns.length + index;
      const given = values[index]!;
      this.#values[at] = isFirst ? given : folded(this.columns[index]!.overTime, this.#values[at]!, given);
    }
    const from = slot * HISTOGRAM_BUCKETS;
    for (const name of HISTOGRAMS) {
      const counts = this.#histograms[name];
      for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        const before = isFirst ? 0 : counts[from + bucket]!;
        counts[from + bucket] = Math.min(MAX_COUNT, before + (histograms[name][bucket] ?? 0));
      }
    }
  }

  /** Adds to one column of a period that has a sample. */
  increase(period: number, column: number, by: number): void {
    if (!this.has(period)) return;
    const at = (period % this.slots) * this.columns.length + column;
    const before = this.#values[at]!;
    this.#values[at] = (Number.isNaN(before) ? 0 : before) + by;
  }

  /** Null for a gap, and for a value that is not known yet. */
  value(period: number, column: number): number | null {
    if (!this.has(period)) return null;
    const value = this.#values[(period % this.slots) * this.columns.length + column]!;
    return Number.isNaN(value) ? null : value;
  }

  /** The counts by bucket; null for a gap. */
  histogram(period: number, name: HistogramName): Uint16Array | null {
    if (!this.has(period)) return null;
    const from = (period % this.slots) * HISTOGRAM_BUCKETS;
    return this.#histograms[name].subarray(from, from + HISTOGRAM_BUCKETS);
  }
}

function folded(how: Column['overTime'], before: number, given: number): number {
  if (Number.isNaN(given)) return before;
  if (Number.isNaN(before) || how === 'last') return given;
  return how === 'sum' ? before + given : Math.max(before, given);
}
