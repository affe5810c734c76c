import { describe, expect, it } from '@jest/globals';

import { misfitOf, sumOf, verdictOf } from './drain-verdict.js';

describe('sumOf', () => {
  it('is the parts one after another', () => {
    expect(sumOf({ readinessDelayMs: 3000, spreadMs: 5000, workTimeoutMs: 500, closeTimeoutMs: 2000 })).toBe(10_500);
  });
});

describe('verdictOf', () => {
  it.each<[estimatedMs: number, deadlineMs: number, graceMs: number | null, excessMs: number]>([
    [7000, 25_000, 30_000, 0],
    [7000, 7000, null, 0],
    [7001, 7000, null, 1],
    [7000, 25_000, 8000, 0],
    [7000, 25_000, 7999, 1],
    [7000, 6000, 6500, 1500],
    [7000, 5000, 7500, 2000],
    [7000, 25_000, 0, 7000],
    [0, 1, 0, 0],
    [600_000, 600_000, 30_000, 571_000],
  ])('a drain of %d ms, with a deadline of %d ms and a grace of %p ms, is too long by %d ms', (...given) => {
    const [estimatedMs, deadlineMs, graceMs, excessMs] = given;
    expect(verdictOf(estimatedMs, { deadlineMs, graceMs })).toEqual({ fits: excessMs === 0, excessMs });
  });
});

describe('misfitOf', () => {
  it.each<[estimatedMs: number, deadlineMs: number, graceMs: number | null, text: string]>([
    [
      7000,
      5000,
      null,
      'The drain may take 7000 ms. That is 2000 ms more than deadlineMs (5000): raise deadlineMs, or lower spreadMs and workTimeoutMs. "force": true drains all the same.',
    ],
    [
      7000,
      25_000,
      6000,
      'The drain may take 7000 ms. That is 2000 ms more than the orchestrator\'s grace of 6000 ms leaves (1000 ms are for the end of the process): lower spreadMs and workTimeoutMs, or raise the grace. "force": true drains all the same.',
    ],
  ])('of a drain of %d ms, a deadline of %d ms and a grace of %p ms', (estimatedMs, deadlineMs, graceMs, text) => {
    expect(misfitOf(estimatedMs, { deadlineMs, graceMs })).toBe(text);
  });

  it('names each bound that is exceeded', () => {
    const text = misfitOf(7000, { deadlineMs: 5000, graceMs: 6000 });
    expect(text).toMatch(/more than deadlineMs \(5000\).*more than the orchestrator's grace of 6000 ms/);
  });
});
