import { describe, expect, it } from '@jest/globals';

import { refusalOf, type SnapshotSituation } from './snapshot-rules.js';

const MIB = 1024 * 1024;
/** Just enough of all resources. */
const FINE: SnapshotSituation = {
  now: 100_000,
  lastAt: null,
  busy: false,
  heapUsedBytes: 100 * MIB,
  freeMemoryBytes: 1500 * MIB,
  freeDiskBytes: 300 * MIB,
  diskIsMemory: false,
};

describe('refusalOf', () => {
  it.each<[string, Partial<SnapshotSituation>]>([
    ['enough of everything', {}],
    ['the last one a minute ago', { lastAt: 40_000 }],
    ['a disk in memory, and enough for both', { diskIsMemory: true, freeMemoryBytes: 1800 * MIB }],
  ])('allows %s', (_what, over) => {
    expect(refusalOf({ ...FINE, ...over })).toBeNull();
  });

  it.each<[string, string, Partial<SnapshotSituation>, number]>([
    ['busy', 'another under way', { busy: true }, 60],
    ['too-soon', 'the last one just now', { lastAt: 100_000 }, 60],
    ['too-soon', 'the last one almost a minute ago', { lastAt: 40_001 }, 1],
    ['memory', 'a byte too little memory', { freeMemoryBytes: 1500 * MIB - 1 }, 60],
    ['memory', 'a disk in memory, and not enough for both', { diskIsMemory: true, freeMemoryBytes: 1799 * MIB }, 60],
    ['disk', 'a byte too little disk', { freeDiskBytes: 300 * MIB - 1 }, 60],
  ])('refuses (%s) with %s', (reason, _what, over, retryAfterSeconds) => {
    expect(refusalOf({ ...FINE, ...over })).toMatchObject({ reason, retryAfterSeconds });
  });

  it('contains the figures', () => {
    expect(refusalOf({ ...FINE, freeMemoryBytes: 200 * MIB })?.detail).toBe(
      'A heap snapshot could end the process: the heap holds 100 MiB, writing it down may take 1500 MiB of memory, and 200 MiB are free. ' +
        'Give the process more memory, or take it on a node with fewer connections.',
    );
  });
});
