import { describe, expect, it, jest } from '@jest/globals';
import { until } from './until.js';

describe('until', () => {
  it('resolves with what the condition returned once it is truthy', async () => {
    let calls = 0;
    expect(await until(() => (calls += 1) === 3 && 'three')).toBe('three');
  });

  it('waits for a condition that answers later', async () => {
    expect(await until(async () => Promise.resolve(7))).toBe(7);
  });

  it('names what it waited for, as it stood at the end', async () => {
    let calls = 0;
    const wait = until(() => (calls += 1) < 0, { timeoutMs: 20, message: () => `${calls > 1} calls` });
    await expect(wait).rejects.toThrow(/^waited \d+ ms for true calls$/);
  });

  it('waits longer by the time in which the machine was busy, at most six times as long', async () => {
    const waits = [0, 1000].map(async stallMs => {
      const startedAt = performance.now();
      let asked = 0;
      // The machine has lost that time since the first question.
      const stalledMs = () => (asked++ === 0 ? 0 : stallMs);
      await expect(until(() => false, { timeoutMs: 50 }, stalledMs)).rejects.toThrow('the condition');
      return performance.now() - startedAt;
    });
    const [idle = 0, busy = 0] = await Promise.all(waits);
    expect(idle).toBeGreaterThanOrEqual(50);
    expect(busy).toBeGreaterThanOrEqual(300);
  });

  it('ends with the error of a condition that throws', async () => {
    await expect(until(() => Promise.reject(new Error('broken probe')))).rejects.toThrow('broken probe');
  });

  it('keeps polling under fake timers', async () => {
    jest.useFakeTimers();
    try {
      let calls = 0;
      expect(await until(() => (calls += 1) === 3)).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });
});
