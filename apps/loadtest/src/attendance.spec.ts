import { describe, expect, it } from '@jest/globals';
import { Attendance, overlapMs } from './attendance.js';

function hear(...moments: number[]): Attendance {
  const attendance = new Attendance();
  for (const moment of moments) attendance.heard(moment);
  return attendance;
}

describe('Attendance', () => {
  it('counts a gap between responses as an absence', () => {
    expect(hear(0, 500, 1000, 7000, 7500).take()).toEqual([{ from: 1000, to: 7000 }]);
  });

  it('does not call a slow server absent', () => {
    expect(hear(0, 900, 1800, 3300).take()).toEqual([]);
  });

  it('reports nothing for a server that never responds', () => {
    const attendance = new Attendance();
    attendance.finish(60_000);
    expect(attendance.take()).toEqual([]);
  });

  it('does not count the time without requests', () => {
    const attendance = hear(0);
    attendance.pause();
    attendance.heard(9000);
    expect(attendance.take()).toEqual([]);
  });

  it('ends an absence that still lasts', () => {
    const attendance = hear(0);
    attendance.finish(4000);
    expect(attendance.take()).toEqual([{ from: 0, to: 4000 }]);
  });

  it('reports each absence once', () => {
    const attendance = hear(0, 5000);
    attendance.take();
    expect(attendance.take()).toEqual([]);
  });
});

describe('overlapMs', () => {
  const stretches = [
    { from: 10, to: 20 },
    { from: 30, to: 40 },
  ];

  it.each([
    [{ from: 0, to: 50 }, 20],
    [{ from: 15, to: 35 }, 10],
    [{ from: 20, to: 30 }, 0],
    [{ from: 12, to: 13 }, 1],
  ])('of %j is %i', (span, expected) => {
    expect(overlapMs(stretches, span)).toBe(expected);
  });
});
