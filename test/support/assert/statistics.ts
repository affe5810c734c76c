/**
 * How far values are from being spread evenly over `from` to `to`: the largest gap between their cumulative share and that of an
 * even spread (Kolmogorov and Smirnov). 0 is perfectly even, 1 is all at one end; values that are all in the first half give 0.5.
 */
export function distanceFromEven(values: readonly number[], from: number, to: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted.reduce((largest, value, index) => {
    const even = Math.min(1, Math.max(0, (value - from) / (to - from)));
    return Math.max(largest, Math.abs(even - index / sorted.length), Math.abs(even - (index + 1) / sorted.length));
  }, 0);
}

/** The value below which `share` of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
