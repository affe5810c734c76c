import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { APPLICATION, type AuditActor, type AuditChange } from '../node/audit-entry.js';
import { EntryLimit } from './entry-limit.js';

describe('EntryLimit', () => {
  let entries: (AuditActor & AuditChange)[];
  let limit: EntryLimit;

  beforeEach(() => {
    jest.useFakeTimers();
    entries = [];
    limit = new EntryLimit('node', (actor, change) => entries.push({ ...actor, ...change }));
  });
  afterEach(() => {
    limit.close();
    const timers = jest.getTimerCount();
    jest.useRealTimers();
    if (timers > 0) throw new Error(`${timers} timers are left`);
  });

  const kick = (n: number, result: AuditChange['result'] = 'done', who = 'application'): void =>
    limit.record('kick', { ...APPLICATION, who }, { what: 'kick', target: `n.${n}`, result }, APPLICATION);

  it('writes the first 60 of a minute, and one entry with the number of the rest for each result', () => {
    for (let n = 0; n < 10_000; n++) kick(n, n % 10 === 0 ? 'not-found' : 'done', `by ${n}`);
    expect(entries).toHaveLength(60);
    expect(entries[59]).toEqual({ ...APPLICATION, who: 'by 59', what: 'kick', target: 'n.59', result: 'done' });
    jest.advanceTimersByTime(60_000);
    const common = { ...APPLICATION, what: 'kick', target: 'node' };
    expect(entries.slice(60)).toEqual([
      { ...common, result: 'not-found', parameters: { count: 994 } },
      { ...common, result: 'done', parameters: { count: 8946 } },
    ]);
    jest.advanceTimersByTime(600_000);
    kick(1);
    expect(entries).toHaveLength(63);
  });

  it('limits kinds separately, at most a hundred', () => {
    for (let n = 0; n < 300; n++) {
      const change = { what: `what ${n}`, target: 't', result: 'forbidden' } as const;
      limit.record(`kind ${n}`, APPLICATION, change);
    }
    expect(entries).toHaveLength(160);
    limit.close();
    expect(entries.slice(160)).toEqual([
      {
        who: 'further',
        role: null,
        from: null,
        what: 'further',
        target: 'node',
        result: 'forbidden',
        parameters: { count: 140 },
      },
    ]);
  });

  it('counts the actions of one sender separately, at most a hundred', () => {
    const ann = { who: 'ann', role: 'viewer', from: null } as const;
    for (let n = 0; n < 60 + 300; n++) {
      limit.record('ann', ann, { what: n % 2 === 0 ? 'kick' : `what ${n}`, target: 't', result: 'forbidden' });
    }
    limit.close();
    const counts = entries.slice(60).map(({ what, parameters }) => [what, parameters?.['count']]);
    expect(counts).toContainEqual(['kick', 150]);
    expect(counts).toContainEqual(['further', 51]);
    expect(counts).toHaveLength(101);
  });
});
