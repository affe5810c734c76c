import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { SecondTimer } from './second-timer.js';

describe('SecondTimer', () => {
  let seconds: SecondTimer;
  let turns: string[];

  beforeEach(() => {
    jest.useFakeTimers();
    seconds = new SecondTimer();
    turns = [];
  });

  afterEach(() => void jest.useRealTimers());

  it('calls all work every second, in its order, by one timer', () => {
    seconds.every(() => turns.push('a'));
    jest.advanceTimersByTime(600);
    seconds.every(() => turns.push('b'));
    expect(jest.getTimerCount()).toBe(1);
    jest.advanceTimersByTime(400);
    expect(turns).toEqual(['a', 'b']);
    jest.advanceTimersByTime(1000);
    expect(turns).toEqual(['a', 'b', 'a', 'b']);
  });

  it('has no timer before the first work and after the last', () => {
    const ends = [seconds.every(() => turns.push('a')), seconds.every(() => turns.push('b'))];
    ends[0]!();
    ends[0]!();
    jest.advanceTimersByTime(1000);
    expect(turns).toEqual(['b']);
    ends[1]!();
    expect(jest.getTimerCount()).toBe(0);
    seconds.every(() => turns.push('c'))();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('lets work end itself, and other work that had its turn', () => {
    const ends: (() => void)[] = [];
    ends.push(seconds.every(() => turns.push('a')));
    ends.push(seconds.every(() => (turns.push('b'), ends.forEach(end => end()))));
    jest.advanceTimersByTime(3000);
    expect([turns, jest.getTimerCount()]).toEqual([['a', 'b'], 0]);
  });

  it('reports an error of one as uncaught, and calls the others', () => {
    const uncaught = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => undefined);
    seconds.every(() => {
      throw new Error('one');
    });
    seconds.every(() => turns.push('other'));
    jest.advanceTimersByTime(2000);
    expect(turns).toEqual(['other', 'other']);
    for (const [report] of uncaught.mock.calls) expect(report).toThrow('one');
    expect(uncaught).toHaveBeenCalledTimes(2);
    uncaught.mockRestore();
  });
});
