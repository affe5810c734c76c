import { describe, expect, it } from '@jest/globals';

import { HISTOGRAM_BUCKETS, LogHistogram } from '../node/log-histogram.js';
import type { Column } from './columns.js';
import { StatsHistory } from './stats-history.js';

const column = (name: string, overTime: Column['overTime'], kind: Column['kind'] = 'total'): Column => ({
  name,
  kind,
  overTime,
  overNodes: 'sum',
  digits: 0,
  isRare: false,
});
const COLUMNS = [
  column('sum', 'sum'),
  column('last', 'last', 'level'),
  column('max', 'max', 'level'),
  column('late', 'sum', 'late'),
];
const [SUM, LAST, MAX, LATE] = [0, 1, 2, 3];

/** A history with a sample for each of the seconds, whose values are the second itself. */
function historyOf(seconds: readonly number[], begun = 0): StatsHistory {
  const history = new StatsHistory(COLUMNS, begun);
  for (const second of seconds) {
    const rtt = new LogHistogram();
    rtt.record(1);
    const histograms = { rtt: rtt.counts, lag: new Float64Array(HISTOGRAM_BUCKETS) };
    history.add(second, { values: [second, second, second % 3, Number.NaN], histograms });
  }
  return history;
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

const sum = (counts: Uint16Array | null) => counts?.reduce((all, count) => all + count, 0);

describe('StatsHistory', () => {
  it('has the last minute by second, and 15 minutes by five seconds', () => {
    const history = historyOf(range(1, 2000));
    expect([history.lastPeriod(1), history.lastPeriod(5)]).toEqual([2000, 399]);
    expect([history.value(1, 2000, SUM), history.value(1, 1941, SUM), history.value(1, 1936, SUM)]).toEqual([
      2000,
      1941,
      null,
    ]);
    // 1000 to 1004 are 1000 s old, 1100 to 1104 are 900 s old.
    expect([history.value(5, 200, SUM), history.value(5, 220, SUM)]).toEqual([null, 5510]);
    expect([history.value(5, 399, SUM), history.value(5, 399, LAST), history.value(5, 399, MAX)]).toEqual([
      1995 + 1996 + 1997 + 1998 + 1999,
      1999,
      2,
    ]);
  });

  it('keeps the histograms of five seconds when a second without a value is added', () => {
    const history = historyOf(range(5, 7));
    history.add(8, { values: [1, 1, 1, Number.NaN], histograms: { rtt: [], lag: [] } });
    expect([sum(history.histogram(1, 8, 'rtt')), sum(history.histogram(5, 1, 'rtt'))]).toEqual([0, 3]);
  });

  it('adds histograms over five seconds', () => {
    const history = historyOf(range(5, 9));
    expect([sum(history.histogram(1, 7, 'rtt')), sum(history.histogram(5, 1, 'rtt'))]).toEqual([1, 5]);
    expect(history.histogram(1, 4, 'rtt')).toBeNull();
  });

  it('shows no five seconds before they are complete', () => {
    expect(historyOf(range(1, 8)).lastPeriod(5)).toBe(0);
    expect(historyOf(range(1, 9)).lastPeriod(5)).toBe(1);
    expect(historyOf([]).lastPeriod(1)).toBe(-1);
  });

  it('keeps gaps as gaps, and sums what is known of five seconds', () => {
    const history = historyOf([1, 2, 3, 21, 22, 34]);
    expect(range(1, 4).map(second => history.value(1, second, SUM))).toEqual([1, 2, 3, null]);
    expect(range(0, 6).map(period => history.value(5, period, SUM))).toEqual([6, null, null, null, 43, null, 34]);
  });

  it('spreads late values over the seconds since those before, without gaps, and shows none before', () => {
    const history = historyOf([1, 2, 3, 4, 8, 9, 10]);
    expect(history.value(1, 4, LATE)).toBeNull();
    history.addLate(4, [400]);
    expect(range(1, 5).map(second => history.value(1, second, LATE))).toEqual([100, 100, 100, 100, null]);
    expect([history.value(5, 0, LATE), history.value(5, 1, LATE)]).toEqual([400, null]);
    history.addLate(9, [50]);
    expect(range(7, 10).map(second => history.value(1, second, LATE))).toEqual([null, 25, 25, null]);
    expect(history.value(5, 1, LATE)).toBe(50);
    history.addLate(10, [7]);
    expect(history.value(1, 10, LATE)).toBe(7);
  });

  it('takes a second sample of the same second', () => {
    const history = historyOf([3, 3]);
    expect([history.value(1, 3, SUM), history.value(1, 3, LAST)]).toEqual([6, 3]);
  });

  it('has a fixed size', () => {
    expect(historyOf(range(1, 3)).bytes).toBe(historyOf(range(1, 1000)).bytes);
  });
});
