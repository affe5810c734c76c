import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { SystemClock } from './clock.js';

/** A SystemClock over two clocks that the test sets. */
function clockAt(start: { wall: number; monotonic: number }) {
  const machine = { ...start };
  jest.spyOn(Date, 'now').mockImplementation(() => machine.wall);
  jest.spyOn(performance, 'now').mockImplementation(() => machine.monotonic);
  return { clock: new SystemClock(), machine };
}

describe('SystemClock', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('returns monotonic time', () => {
    const { clock, machine } = clockAt({ wall: 1_000_000, monotonic: 5 });
    machine.wall -= 500_000;
    machine.monotonic += 2.5;
    expect(clock.now()).toBe(7.5);
  });

  it('translates a moment to wall time', () => {
    const { clock } = clockAt({ wall: 1_000_000, monotonic: 400 });
    expect(clock.wallTime(400).getTime()).toBe(1_000_000);
    expect(clock.wallTime(150).getTime()).toBe(999_750);
  });

  it('displays a moment the same while the wall clock is only trimmed', () => {
    const { clock, machine } = clockAt({ wall: 1_000_000, monotonic: 400 });
    const before = clock.wallTime(400).getTime();
    machine.wall += 900;
    expect(clock.wallTime(400).getTime()).toBe(before);
  });

  it('follows the wall clock when it is set', () => {
    const { clock, machine } = clockAt({ wall: 1_000_000, monotonic: 400 });
    clock.wallTime(0);
    machine.wall += 3_600_000;
    expect(clock.wallTime(400).getTime()).toBe(4_600_000);
  });
});
