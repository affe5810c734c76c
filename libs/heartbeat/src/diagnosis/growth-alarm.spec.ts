import { describe, expect, it } from '@jest/globals';

import { GrowthAlarm } from './growth-alarm.js';

const reported = (alarm: GrowthAlarm, ...figures: number[]) => figures.filter(figure => alarm.isWorthReporting(figure));

describe('GrowthAlarm', () => {
  it('alarms at the floor, and then at each doubling', () => {
    expect(reported(new GrowthAlarm(10), 0, 9, 10, 10, 11, 19, 20, 39, 41, 81, 82)).toEqual([10, 20, 41, 82]);
  });

  it('alarms once for a steady figure', () => {
    expect(reported(new GrowthAlarm(10), ...Array.from({ length: 1000 }, () => 15))).toEqual([15]);
  });

  it('alarms again after the figure was small, and not when it only wavers', () => {
    expect(reported(new GrowthAlarm(10), 12, 5, 12, 4, 12)).toEqual([12, 12]);
  });

  it('alarms a few times for a leak that grows forever', () => {
    const alarm = new GrowthAlarm(10);
    expect(reported(alarm, ...Array.from({ length: 100_000 }, (_, index) => index)).length).toBeLessThan(16);
  });
});
