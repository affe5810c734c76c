import { describe, expect, it } from '@jest/globals';

import { type ClosedFilter, closedPredicate } from './closed-filter.js';

const record = {
  closing: { code: 4000, reason: 'heartbeat timeout', by: 'server' },
  closedAt: 1_700_000_000_000,
  facts: { ip: '10.1.2.3', userId: 'ada', path: '/ws', transport: 'ws', labels: {} },
} as const;

describe('closedPredicate', () => {
  it.each<[ClosedFilter, boolean]>([
    [{}, true],
    [{ code: 4000 }, true],
    [{ code: 4001 }, false],
    [{ by: 'server' }, true],
    [{ by: 'client' }, false],
    [{ user: 'ada' }, true],
    [{ user: 'Ada' }, false],
    [{ ip: '10.1.2.3' }, true],
    [{ ip: '::ffff:10.1.2.3' }, true],
    [{ ip: '10.0.0.0/8' }, true],
    [{ ip: '11.0.0.0/8' }, false],
    [{ ip: '::/0' }, false],
    [{ ip: 'unix:' }, false],
    [{ since: 1_700_000_000_000 }, true],
    [{ since: 1_700_000_000_001 }, false],
    [{ code: 4000, by: 'server', user: 'ada', ip: '10.0.0.0/8', since: 0 }, true],
    [{ code: 4000, by: 'server', user: 'bob', ip: '10.0.0.0/8', since: 0 }, false],
  ])('%j: %p', (filter, expected) => {
    expect(closedPredicate(filter)(record)).toBe(expected);
  });

  it('finds clients of a Unix socket, and no anonymous client by a user', () => {
    const anonymous = { ...record, facts: { ...record.facts, ip: 'unix:', userId: null } };
    expect([{ ip: 'unix:' }, { user: 'ada' }, { ip: '0.0.0.0/0' }].map(one => closedPredicate(one)(anonymous))).toEqual(
      [true, false, false],
    );
  });
});
