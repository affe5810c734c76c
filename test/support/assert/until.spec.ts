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
    await expect(wait).rejects.toThrow('waited 20 ms for true calls');
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
