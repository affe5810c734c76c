import { describe, expect, it } from '@jest/globals';

import { StallLog } from './stall-log.js';

/** A log with a stall of 600 ms in each second of `seconds`, from its start on. */
function logOf(...seconds: readonly number[]) {
  const log = new StallLog();
  for (const second of seconds) log.add(600, 650, second * 1000 + 650);
  return log;
}
const begins = (log: StallLog, from = 0, to = Infinity, limit = 1000) =>
  log.during(from, to, limit).map(stall => stall.from / 1000);

describe('StallLog', () => {
  it('ignores what is shorter than half a second', () => {
    const log = new StallLog();
    log.add(499, 549, 1000);
    log.add(0, 50, 1050);
    expect(begins(log)).toEqual([]);
    log.add(500, 550, 2000);
    expect(log.during(0, 3000, 8)).toEqual([{ from: 1450, to: 2000, lostMs: 500 }]);
  });

  it('joins stalls that follow one another within a second', () => {
    const log = logOf(10, 11, 12, 20);
    expect(log.during(0, Infinity, 8)).toEqual([
      { from: 10_000, to: 12_650, lostMs: 1800 },
      { from: 20_000, to: 20_650, lostMs: 600 },
    ]);
  });

  it.each([
    ['all of a long life', 0, 100_000, [10, 20, 30]],
    ['those that it overlaps by their end', 10_649, 100_000, [10, 20, 30]],
    ['none that ended at the opening', 10_650, 100_000, [20, 30]],
    ['those that it overlaps by their start', 0, 20_001, [10, 20]],
    ['none that began at the close', 0, 20_000, [10]],
    ['none of a life between them', 11_000, 20_000, []],
  ])('finds %s', (_what, from, to, expected) => {
    expect(begins(logOf(10, 20, 30), from, to)).toEqual(expected);
  });

  it('finds at most the last `limit`, and keeps the last 256', () => {
    const seconds = Array.from({ length: 300 }, (_, index) => index * 10);
    const log = logOf(...seconds);
    expect(begins(log)).toEqual(seconds.slice(-256));
    expect(begins(log, 0, Infinity, 2)).toEqual([2980, 2990]);
  });
});
