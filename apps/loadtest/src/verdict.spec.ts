import { describe, expect, it } from '@jest/globals';
import { attendedMs, judgeFaulty, type Circumstances, type Verdict } from './verdict.js';

const CLIENT = { index: 1, kind: 'silent', lastSentAt: 1000, end: { address: '127.0.0.2', port: 1 } } as const;
const CALM: Circumstances = { boundMs: 46_000, absences: [], drainedAt: null, finishedAt: 60_000 };

function ended(at: number, earliestAt = at): { index: number; earliestAt: number; at: number } {
  return { index: 1, earliestAt, at };
}

describe('judgeFaulty', () => {
  it.each<
    [fact: string, end: ReturnType<typeof ended> | undefined, circumstances: Partial<Circumstances>, verdict: Verdict]
  >([
    ['the end at the bound', ended(47_000), {}, 'found'],
    ['an end after the bound', ended(47_001), {}, 'late'],
    ['an end that may have been within the bound', ended(47_250, 46_950), {}, 'found'],
    ['no end although the bound passed', undefined, {}, 'missed'],
    ['no end before the bound', undefined, { finishedAt: 47_000 }, 'undecided'],
    ['a late end of an absent server', ended(52_000), { absences: [{ from: 20_000, to: 26_000 }] }, 'found'],
    ['a late end in spite of an absence', ended(54_000), { absences: [{ from: 20_000, to: 26_000 }] }, 'late'],
    ['an absence before the last byte', ended(47_500), { absences: [{ from: 0, to: 900 }] }, 'late'],
    ['no end, and an absence', undefined, { absences: [{ from: 20_000, to: 40_000 }] }, 'undecided'],
    ['an end by the drain', ended(30_000), { drainedAt: 29_000 }, 'drained'],
    ['an end before the drain', ended(28_000), { drainedAt: 29_000 }, 'found'],
    ['a late end by the drain', ended(48_000), { drainedAt: 29_000 }, 'late'],
  ])('of %s', (_, end, circumstances, verdict) => {
    expect(judgeFaulty(CLIENT, end, { ...CALM, ...circumstances })).toBe(verdict);
  });
});

describe('attendedMs', () => {
  it('leaves out what lies in an absence', () => {
    expect(attendedMs(0, 10_000, [{ from: 8_000, to: 12_000 }])).toBe(8_000);
  });
});
