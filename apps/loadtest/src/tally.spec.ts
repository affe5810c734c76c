import { describe, expect, it } from '@jest/globals';
import { Tally, type FaultyClient } from './tally.js';

const FAULTY: FaultyClient = { index: 3, kind: 'silent', lastSentAt: 10, end: { address: '127.0.0.2', port: 4 } };

describe('Tally', () => {
  it('adds up what the children took', () => {
    const sum = new Tally();
    for (const [since, last] of [
      [100, 900],
      [200, 800],
    ] as const) {
      const child = new Tally();
      child.openingSince = since;
      child.opened = 2;
      child.lastOpenedAt = last;
      child.countRefused('503 at-capacity');
      child.countLost('1006', 3);
      child.countDrained(since + 5);
      child.echoes.record(4);
      child.recordTiming({ intervalMs: since, timeoutMs: 10 });
      child.recordLateness(since);
      sum.add(child.take());
    }
    expect(sum).toMatchObject({ openingSince: 100, opened: 4, lastOpenedAt: 900, drained: 2, drainedAt: 105 });
    expect(sum).toMatchObject({ lateMs: 200, timing: { intervalMs: 200, timeoutMs: 10 } });
    expect([...sum.refused, ...sum.lost]).toEqual([
      ['503 at-capacity', 2],
      ['1006', 6],
    ]);
    expect(sum.echoes.count).toBe(2);
  });

  it('gives each count once, however often it is taken', () => {
    const child = new Tally();
    const sum = new Tally();
    child.opened = 5;
    child.countLost('1006');
    child.faulty.set(3, FAULTY);
    child.absences.push({ from: 0, to: 2000 });
    sum.add(child.take());
    sum.add(child.take());
    expect([sum.opened, sum.lost.get('1006'), sum.faulty.size, sum.absences.length]).toEqual([5, 1, 1, 1]);
  });

  it('believes the first report of an end', () => {
    const sum = new Tally();
    sum.recordEnd({ index: 3, earliestAt: 50, at: 60 });
    sum.recordEnd({ index: 3, earliestAt: 90, at: 90 });
    expect(sum.ended.get(3)).toEqual({ index: 3, earliestAt: 50, at: 60 });
  });

  it('forgets a client that cannot be judged', () => {
    const sum = new Tally();
    sum.faulty.set(3, FAULTY);
    sum.recordEnd({ index: 3, earliestAt: 50, at: 60 });
    sum.forget(3);
    expect([sum.faulty.size, sum.ended.size]).toEqual([0, 0]);
  });

  it('survives the way between processes', () => {
    const child = new Tally();
    child.countRefused('429 ip-limit', 2);
    child.faulty.set(3, FAULTY);
    child.recordEnd({ index: 3, earliestAt: 50, at: 60 });
    child.echoes.record(1);
    const delta = child.take();
    expect(JSON.parse(JSON.stringify(delta))).toEqual(delta);
  });
});
