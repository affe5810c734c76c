import { describe, expect, it } from '@jest/globals';

import { type ClosedBy, CloseCodes } from '../protocol/close-code.js';
import type { ClosedRecord } from '../connection/history/closed-record.js';
import { ClosedTotals, countedCode } from './closed-totals.js';

const ended = (code: number, by: ClosedBy, durationMs = 1, bytesIn = 0, bytesOut = 0) =>
  ({ closing: { code, reason: '', by }, durationMs, facts: { bytesIn, bytesOut } }) as ClosedRecord;

describe('countedCode', () => {
  it.each(Object.values(CloseCodes).map(({ code }) => code))('counts the library’s own %i separately', code => {
    expect(countedCode(code)).toBe(String(code));
  });

  it.each([1000, 1002, 1005, 1011])('counts the standard’s %i separately', code => {
    expect(countedCode(code)).toBe(String(code));
  });

  it.each([0, 999, 1004, 1015, 3000, 3999, 4007, 4499, 4504, 4999, 65_535, -1, Number.NaN, 1000.5])(
    'counts %d as other',
    code => {
      expect(countedCode(code)).toBe('other');
    },
  );
});

describe('ClosedTotals', () => {
  it('counts by code and initiator, and sums durations and bytes', () => {
    const totals = new ClosedTotals();
    totals.add(ended(1006, 'network', 2000, 10, 20));
    totals.add(ended(1006, 'network', 90_000, 1, 2));
    totals.add(ended(4500, 'operator'));
    expect(totals.counts['1006']).toEqual({ client: 0, server: 0, operator: 0, network: 2 });
    expect(totals.counts['4500']).toEqual({ client: 0, server: 0, operator: 1, network: 0 });
    expect([totals.bytesIn, totals.bytesOut]).toEqual([11, 22]);
    expect([totals.durations.count, totals.durations.sum]).toEqual([3, 92.001]);
    // Up to 1, 5, 15, 60 and 300 s.
    expect(totals.durations.counts.slice(0, 5)).toEqual([1, 1, 0, 0, 1]);
  });

  it('has the same number of entries after every possible code', () => {
    const totals = new ClosedTotals();
    const before = Object.keys(totals.counts);
    for (let code = 0; code < 70_000; code++) totals.add(ended(code, 'client'));
    expect(Object.keys(totals.counts)).toEqual(before);
    const sum = Object.values(totals.counts).reduce((total, { client }) => total + client, 0);
    expect(sum).toBe(70_000);
  });
});
