import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { type INestApplicationContext, Logger } from '@nestjs/common';
import { HeapSnapshotService } from 'nestjs-heartbeat';

import { until } from '../../../test/support/assert/until.js';
import { takeSnapshotsBySignal } from './snapshot-signal.js';

const SIGNAL = 'SIGUSR2';

describe('takeSnapshotsBySignal', () => {
  let before: NodeJS.SignalsListener[];
  let logged: string[];
  let asked: unknown[];

  beforeEach(() => {
    before = process.listeners(SIGNAL);
    [logged, asked] = [[], []];
    Logger.overrideLogger({
      log: () => undefined,
      warn: (text: string) => logged.push(`warn ${text}`),
      error: (text: string) => logged.push(`error ${text}`),
    });
  });

  /** The listeners that this test has added to the process. */
  const own = () => process.listeners(SIGNAL).filter(listener => !before.includes(listener));

  afterEach(() => {
    for (const listener of own()) process.off(SIGNAL, listener);
  });

  /** The signal comes; the process itself is spared. */
  function signal(take: () => Promise<unknown>): void {
    let takes = 0;
    const snapshots = { take: () => (takes++, take()) };
    takeSnapshotsBySignal({
      get: (token: unknown) => (asked.push(token), snapshots),
    } as unknown as INestApplicationContext);
    expect([own().length, takes]).toEqual([1, 0]);
    for (const listener of own()) listener(SIGNAL);
    expect([asked, takes]).toEqual([[HeapSnapshotService], 1]);
  }

  it('has the library take one at each signal, which logs it itself', async () => {
    const taken = Promise.resolve({ file: '/tmp/a', bytes: 1, durationMs: 1 });
    signal(() => taken);
    await taken;
    expect(logged).toEqual([]);
  });

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'why none is taken',
      async () => ({ reason: 'busy', detail: 'Wait for it.', retryAfterSeconds: 1 }),
      'warn SIGUSR2: Wait for it.',
    ],
    [
      'what failed',
      () => Promise.reject(new Error('ENOSPC')),
      'error SIGUSR2: the heap snapshot failed: Error: ENOSPC',
    ],
  ])('logs %s', async (_what, take, line) => {
    signal(take);
    await until(() => logged.length > 0);
    expect(logged).toEqual([line]);
  });
});
