import { beforeEach, describe, expect, it } from '@jest/globals';
import type { IntervalHistogram } from 'node:perf_hooks';

import { LoopDelay } from './loop-delay.js';

const [IDLE, BUSY] = [0.24, 0.25];

class FakeHistogram {
  isOn = false;
  count = 0;
  mean = 0;

  enable(): boolean {
    return (this.isOn = true);
  }

  disable(): boolean {
    return !(this.isOn = false);
  }

  reset(): void {
    this.count = this.mean = 0;
  }

  /** Values came, as many milliseconds apart on average. */
  measure(meanMs: number): void {
    [this.count, this.mean] = [10, meanMs * 1e6];
  }
}

describe('LoopDelay', () => {
  let histogram: FakeHistogram;
  let delay: LoopDelay;

  beforeEach(() => {
    histogram = new FakeHistogram();
    delay = new LoopDelay(histogram as unknown as IntervalHistogram);
  });

  it('is the lateness of the reading while the loop is idle, without a histogram', () => {
    expect([delay.read(0, 3), delay.read(IDLE, -1), delay.read(IDLE, 400)]).toEqual([3, 0, 400]);
    expect(histogram.isOn).toBe(false);
  });

  it('is the mean beyond the resolution from the reading after the loop became busy', () => {
    expect(delay.read(BUSY, 7)).toBe(7);
    expect(histogram.isOn).toBe(true);
    histogram.measure(120);
    expect(delay.read(BUSY, 7)).toBe(100);
    histogram.measure(19.9);
    expect(delay.read(BUSY, 7)).toBe(0);
  });

  it('is the lateness where a loop that is measured was blocked all the time', () => {
    delay.read(1, 0);
    expect(delay.read(1, 5000)).toBe(5000);
  });

  it('ends the measurement once the loop is idle, and when it is stopped', () => {
    delay.read(1, 0);
    histogram.measure(50);
    expect([delay.read(IDLE, 7), histogram.isOn]).toEqual([30, false]);
    delay.read(1, 0);
    expect(histogram.isOn).toBe(true);
    delay.stop();
    expect(histogram.isOn).toBe(false);
  });
});
