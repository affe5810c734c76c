import { describe, expect, it } from '@jest/globals';

import { DRAIN_DEFAULTS, type DrainOptions, workTimeoutOf } from './drain.options.js';

describe('workTimeoutOf', () => {
  it.each<[string, Partial<DrainOptions>, number]>([
    ['10 s by default', {}, 10_000],
    ['the option', { workTimeoutMs: 123 }, 123],
    ['no time', { workTimeoutMs: 0 }, 0],
    ['what the longest default spread leaves', { deadlineMs: 8000 }, 1000],
    ['what a set spread leaves', { deadlineMs: 8000, spreadMs: 500, readinessDelayMs: 100 }, 5400],
    ['no time where nothing is left', { deadlineMs: 7000 }, 0],
    ['no time in a plan that does not fit', { deadlineMs: 1000 }, 0],
  ])('is %s', (_what, given, expected) => {
    expect(workTimeoutOf({ ...DRAIN_DEFAULTS, ...given })).toBe(expected);
  });
});
