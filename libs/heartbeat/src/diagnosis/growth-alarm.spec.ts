import { describe, expect, it } from '@jest/globals';

import { GrowthAlarm } from './growth-alarm.js';

const told = (alarm: GrowthAlarm, ...figures: number[]) => figures.filter(figure => alarm.isWorthTelling(figure));

describe('GrowthAlarm', () => {
  it('tells at the floor, and then at each doubling', () => {
    expect(told(new GrowthAlarm(10), 0, 9, 10, 10, 11, 19, 20, 39, 41, 81, 82)).toEqual([10, 20, 41, 82]);
  });

  it('tells a steady figure once', () => {
    expect(told(new GrowthAlarm(10), ...Array.from({ length: 1000 }, () => 15))).toEqual([15]);
  });

  it('tells anew after the figure was small again, and not when it only wavers', () => {
    expect(told(new GrowthAlarm(10), 12, 5, 12, 4, 12)).toEqual([12, 12]);
  });

  it('tells a leak that grows for ever a few times', () => {
    const alarm = new GrowthAlarm(10);
    expect(told(alarm, ...Array.from({ length: 100_000 }, (_, index) => index)).length).toBeLessThan(16);
  });
});
