import { describe, expect, it } from '@jest/globals';

import { FailureWindow } from './failure-window.js';

const ADDRESS = '192.0.2.1';

function failedAt(times: readonly number[], window = new FailureWindow()): FailureWindow {
  for (const time of times) window.failed(ADDRESS, time);
  return window;
}

describe('FailureWindow', () => {
  it('passes nine failures', () => {
    const window = failedAt([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(window.blockedMs(ADDRESS, 9)).toBe(0);
  });

  it('blocks after the tenth, until the first is a minute old', () => {
    const window = failedAt([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(window.blockedMs(ADDRESS, 9)).toBe(59_991);
    expect(window.blockedMs(ADDRESS, 59_999)).toBe(1);
    expect(window.blockedMs(ADDRESS, 60_000)).toBe(0);
  });

  it('counts within any minute, not within a minute of the clock', () => {
    const window = failedAt([0, 50_000, 50_001, 50_002, 50_003, 60_000, 60_001, 60_002, 60_003, 60_004, 60_005]);
    expect(window.blockedMs(ADDRESS, 60_006)).toBe(49_994);
  });

  it('forgets failures that are older than a minute', () => {
    const window = failedAt([0, 1, 2, 3, 4, 5, 6, 7, 8, 60_100]);
    expect(window.blockedMs(ADDRESS, 60_100)).toBe(0);
  });

  it('blocks one address and no other', () => {
    const window = failedAt([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(window.blockedMs('192.0.2.2', 9)).toBe(0);
  });

  it('stores a bounded number of addresses, and forgets the one that failed longest ago', () => {
    const window = failedAt([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], new FailureWindow(2));
    window.failed('192.0.2.2', 10);
    expect(window.blockedMs(ADDRESS, 11)).toBeGreaterThan(0);
    window.failed('192.0.2.3', 12);
    expect(window.blockedMs(ADDRESS, 13)).toBe(0);
  });
});
