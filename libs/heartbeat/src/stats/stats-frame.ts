import { z } from 'zod';

import { inSlices } from '../base/slices.js';
import { wireCount } from '../base/wire-values.js';
import { HISTOGRAM_BUCKETS, percentiles } from '../node/log-histogram.js';
import { type Column, DERIVED } from './columns.js';
import type { HistogramName } from './sample-ring.js';
import { COARSE_S, type StatsHistory, type StepSeconds } from './stats-history.js';

/**
 * The periods of the nodes end at different times, and a response ends with the last one that all have. A node that is further behind this
 * one has a gap there.
 */
export const MAX_BEHIND: Readonly<Record<StepSeconds, number>> = { 1: 3, [COARSE_S]: 1 };
/** Maximum of periods in one frame: 15 minutes of five seconds, and those behind. */
export const MAX_PERIODS = 183;

const values = z.array(z.number().nullable()).max(MAX_PERIODS);
/** Pairs of bucket and count, one after the other; null for a gap. */
const sparse = z
  .array(
    z
      .array(z.number().min(0))
      .max(2 * HISTOGRAM_BUCKETS)
      .nullable(),
  )
  .max(MAX_PERIODS);

/** The part of one node: its samples up to its last period, oldest first. */
export const frameSchema = z.object({
  /** The last period, counted in periods from the epoch of the shared clock. */
  last: z.number().int(),
  /** By name. A column of zeros may be left out. */
  columns: z.record(z.string().max(100), values),
  rtt: sparse,
  lag: sparse,
  /** Since the start of the node. */
  totals: z.object({
    opened: wireCount,
    closed: wireCount,
    refused: wireCount,
    messagesIn: wireCount,
    messagesOut: wireCount,
    bytesIn: wireCount,
    bytesOut: wireCount,
  }),
  connections: wireCount,
});
export type StatsFrame = z.output<typeof frameSchema>;

/** The part of `StatsFrame` that is read from the history. */
type Samples = Omit<StatsFrame, 'totals' | 'connections'>;

/**
 * The last `periods` of a history.
 * @param shiftS Seconds from the time of the history to the shared clock.
 */
export function frameOf(history: StatsHistory, step: StepSeconds, periods: number, shiftS: number): Samples {
  const last = history.lastPeriod(step);
  const range = Array.from({ length: periods }, (_, index) => last - periods + 1 + index);
  const columns: Record<string, (number | null)[]> = {};
  history.columns.forEach(({ name, kind }, index) => {
    const row = range.map(period => history.value(step, period, index));
    const isNeeded = index === 0 || kind === 'late' || row.some(value => value !== 0 && value !== null);
    if (isNeeded) columns[name] = row;
  });
  const histogram = (name: HistogramName) => range.map(period => sparseOf(history.histogram(step, period, name)));
  // A sample covers the second before it.
  const from = last * step + shiftS - 1;
  return { last: Math.round(from / step), columns, rtt: histogram('rtt'), lag: histogram('lag') };
}

/** The series of all nodes together. */
export interface MergedFrames {
  /** The first period, counted as in `StatsFrame`. */
  readonly first: number;
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
}

/**
 * The frames of several nodes as one. Counts are summed, levels as their column determines, and percentiles are those of all values
 * together. A period in which no node has a sample is a gap. Works in slices: 15 minutes of 50 nodes are half a million values.
 * @param frames The frame of this node is the first. Each has `MAX_BEHIND` periods more than the result.
 */
export async function mergeFrames(
  frames: readonly [StatsFrame, ...StatsFrame[]],
  columns: readonly Column[],
  step: StepSeconds,
  periods: number,
): Promise<MergedFrames> {
  const last = Math.max(frames[0].last - MAX_BEHIND[step], Math.min(...frames.map(frame => frame.last)));
  const parts = frames.map(frame => new Part(frame, last, columns[0]!.name));
  const range = Array.from({ length: periods }, (_, index) => periods - 1 - index);
  const series: Record<string, (number | null)[]> = {};
  await inSlices(columns, ({ name, isRare, overNodes, digits }) => {
    if (isRare && parts.every(part => !part.has(name))) return;
    const merged = range.map((): number | null => null);
    for (const part of parts) part.mergeInto(merged, name, overNodes);
    series[name] = merged.map(value => (value === null ? null : rounded(value, digits)));
  });
  for (const { histogram, names, shares } of DERIVED) {
    const rows: (readonly number[] | null)[] = [];
    await inSlices(range, back => {
      const counts = new Float64Array(HISTOGRAM_BUCKETS);
      for (const part of parts) part.addTo(counts, histogram, back);
      rows.push(percentiles(counts, shares));
    });
    names.forEach((name, index) => {
      series[name] = rows.map(row => (row === null ? null : rounded(row[index]!, 3)));
    });
  }
  return { first: last - periods + 1, series };
}

/** The frame of one node, by the number of periods back from the last one of all. */
class Part {
  readonly #behind: number;
  /** Null where the node has no sample. */
  readonly #marker: readonly (number | null)[];

  constructor(
    private readonly frame: StatsFrame,
    last: number,
    marker: string,
  ) {
    this.#behind = last - frame.last;
    this.#marker = frame.columns[marker] ?? [];
  }

  has(name: string): boolean {
    return this.frame.columns[name] !== undefined;
  }

  /**
   * Merges a column into that of other nodes, oldest first; null without a value. A column that was left out is zero wherever the node has
   * a sample.
   */
  mergeInto(merged: (number | null)[], name: string, how: Column['overNodes']): void {
    const row = this.frame.columns[name];
    const given = row ?? this.#marker;
    for (let index = 0; index < merged.length; index++) {
      const found = this.#at(given, merged.length - 1 - index);
      if (found === null) continue;
      const value = row === undefined ? 0 : found;
      const before = merged[index]!;
      if (before === null) merged[index] = value;
      else merged[index] = how === 'sum' ? before + value : Math.max(before, value);
    }
  }

  addTo(counts: Float64Array, name: HistogramName, back: number): void {
    const pairs = this.#at(this.frame[name], back) ?? [];
    for (let index = 0; index + 1 < pairs.length; index += 2) {
      const bucket = pairs[index]!;
      if (bucket in counts) counts[bucket]! += pairs[index + 1]!;
    }
  }

  #at<Value>(row: readonly (Value | null)[], back: number): Value | null {
    return row[row.length - 1 - back + this.#behind] ?? null;
  }
}

function sparseOf(counts: Uint16Array | null): number[] | null {
  return counts && Array.from(counts).flatMap((count, bucket) => (count === 0 ? [] : [bucket, count]));
}

function rounded(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
