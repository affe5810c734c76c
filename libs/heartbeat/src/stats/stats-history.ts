import type { Column } from './columns.js';
import { type HistogramName, type Sample, SampleRing } from './sample-ring.js';

/** Samples of a second are kept for the last minute, with some more for responses that end with the last second of a slower node. */
const FINE_SLOTS = 64;
/** Seconds of a coarse period, and their number: 15 minutes, one more for the same reason, and one that is not complete. */
export const COARSE_S = 5;
const COARSE_SLOTS = 182;

/** The lengths of a period, in seconds. */
export type StepSeconds = 1 | typeof COARSE_S;

/** The samples of the last 15 minutes: by second for the last minute, and by five seconds for all. */
export class StatsHistory {
  readonly #fine: SampleRing;
  readonly #coarse: SampleRing;
  readonly #late: readonly number[];
  #last = -1;
  /** The last second whose late values are known. */
  #lateUntil: number;

  /** @param second The second in which the history begins; the first sample is a later one. */
  constructor(
    readonly columns: readonly Column[],
    second: number,
  ) {
    this.#fine = new SampleRing(columns, FINE_SLOTS);
    this.#coarse = new SampleRing(columns, COARSE_SLOTS);
    this.#late = columns.flatMap(({ kind }, index) => (kind === 'late' ? [index] : []));
    this.#lateUntil = second;
  }

  /** Memory of all samples, in bytes. */
  get bytes(): number {
    return this.#fine.bytes + this.#coarse.bytes;
  }

  /** The last second with a sample; -1 before the first. */
  get last(): number {
    return this.#last;
  }

  add(second: number, sample: Sample): void {
    this.#fine.add(second, sample);
    this.#coarse.add(Math.floor(second / COARSE_S), sample);
    this.#last = second;
  }

  /**
   * Adds increases of the late columns since the last call, spread evenly over the seconds with a sample since then.
   * @param until The second in which they were read.
   */
  addLate(until: number, increases: readonly number[]): void {
    const seconds: number[] = [];
    for (let second = Math.max(this.#lateUntil + 1, until - FINE_SLOTS + 1); second <= until; second++) {
      if (this.#fine.has(second)) seconds.push(second);
    }
    this.#lateUntil = until;
    for (const second of seconds) {
      increases.forEach((increase, index) => {
        const by = increase / seconds.length;
        this.#fine.increase(second, this.#late[index]!, by);
        this.#coarse.increase(Math.floor(second / COARSE_S), this.#late[index]!, by);
      });
    }
  }

  /** The last period that is complete; negative before the first. */
  lastPeriod(step: StepSeconds): number {
    return step === 1 ? this.#last : Math.floor((this.#last + 1) / step) - 1;
  }

  value(step: StepSeconds, period: number, column: number): number | null {
    const isLate = this.columns[column]!.kind === 'late' && (period + 1) * step - 1 > this.#lateUntil;
    return isLate ? null : this.#ring(step).value(period, column);
  }

  histogram(step: StepSeconds, period: number, name: HistogramName): Uint16Array | null {
    return this.#ring(step).histogram(period, name);
  }

  #ring(step: StepSeconds): SampleRing {
    return step === 1 ? this.#fine : this.#coarse;
  }
}
