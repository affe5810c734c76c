import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { until } from '../../../../../test/support/assert/until.js';
import { CloseDeadlines } from './close-deadlines.js';

const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;

afterEach(() => {
  jest.restoreAllMocks();
});

describe('CloseDeadlines', () => {
  it('ends many sessions by one timer, and lets the event loop run between slices', async () => {
    const failed: unknown[] = [];
    const deadlines = new CloseDeadlines(
      20,
      () => performance.now(),
      (_what, error) => failed.push(error),
    );
    const before = timers();
    const turns = new Set<number>();
    let turn = 0;
    let counting: NodeJS.Immediate;
    const count = () => {
      turn++;
      counting = setImmediate(count);
    };
    let ended = 0;
    const error = new Error('of a listener');
    for (let index = 0; index < 160; index++) {
      deadlines.add({
        destroy: () => {
          ended++;
          turns.add(turn);
          const end = performance.now() + 0.1;
          while (performance.now() < end);
          if (index === 3) throw error;
        },
      });
    }
    expect(timers() - before).toBe(1);
    count();
    await until(() => ended === 160);
    clearImmediate(counting!);
    expect(turns.size).toBeGreaterThanOrEqual(10);
    expect(failed).toEqual([error]);
  });

  it('ends each session when it is due, and none that has ended', async () => {
    let now = 0;
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
    const deadlines = new CloseDeadlines(
      500,
      () => now,
      () => undefined,
    );
    const ended: string[] = [];
    const session = (name: string) => ({ destroy: () => void ended.push(name) });
    const pass = async (ms: number) => {
      now += ms;
      await jest.advanceTimersByTimeAsync(ms);
    };
    const [first, second, third] = [session('first'), session('second'), session('third')];
    deadlines.add(first);
    await pass(200);
    deadlines.add(second);
    deadlines.add(third);
    deadlines.add(first);
    await pass(299);
    expect(ended).toEqual([]);
    await pass(1);
    expect(ended).toEqual(['first']);
    deadlines.delete(second);
    await pass(200);
    expect(ended).toEqual(['first', 'third']);
    expect(jest.getTimerCount()).toBe(0);
    deadlines.add(first);
    deadlines.delete(first);
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });
});
