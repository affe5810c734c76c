import { describe, expect, it } from '@jest/globals';

import { FlightRecord } from './flight-record.js';

const clock = { now: () => 0, wallTime: (moment: number) => new Date(1_700_000_000_000 + moment) };

describe('FlightRecord', () => {
  it('tells what happened, oldest first, in wall time', () => {
    const record = new FlightRecord();
    record.note(0, 'ping 1 unanswered');
    record.note(1500, 'kicked');
    expect(record.entries(clock)).toEqual([
      { at: '2023-11-14T22:13:20.000Z', what: 'ping 1 unanswered' },
      { at: '2023-11-14T22:13:21.500Z', what: 'kicked' },
    ]);
  });

  it('keeps the last 32', () => {
    const record = new FlightRecord();
    for (let moment = 0; moment < 100; moment++) record.note(moment, String(moment));
    const told = record.entries(clock);
    expect(told.map(({ what }) => what)).toEqual(Array.from({ length: 32 }, (_, index) => String(index + 68)));
    expect(told.at(0)?.at).toBe(clock.wallTime(68).toISOString());
  });
});
