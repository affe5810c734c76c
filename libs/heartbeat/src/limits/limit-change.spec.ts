import { describe, expect, it } from '@jest/globals';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { checkedChange, LIMIT_KEYS, type LimitChange, type LimitChangeOptions, limitOf } from './limit-change.js';

/** The refusal of a change. */
function refusalOf(limits: unknown, options: unknown): HeartbeatError {
  try {
    checkedChange(limits as LimitChange, options as LimitChangeOptions);
  } catch (error) {
    if (error instanceof HeartbeatError) return error;
    throw error;
  }
  throw new Error('the change was not refused');
}

describe('checkedChange', () => {
  it.each<[unknown, unknown, string[]]>([
    [{ maxConnections: 0 }, {}, ['maxConnections must be a whole number of connections from 1 to 10000000']],
    [{ maxPerIp: -1 }, {}, ['maxPerIp must be a whole number of connections from 0 to 10000000']],
    [{ maxPerUser: 1.5 }, {}, ['maxPerUser must be a whole number of connections from 0 to 10000000']],
    [{ upgradesPerSecond: '7' }, {}, ['upgradesPerSecond must be a whole number of upgrades from 0 to 1000000']],
    [
      { upgradesPerSecondPerIp: Number.NaN },
      {},
      ['upgradesPerSecondPerIp must be a whole number of upgrades from 0 to 1000000'],
    ],
    [{ messagesPerSecond: true }, {}, ['messagesPerSecond must be a whole number of messages from 0 to 1000000']],
    [{ refuseAbove: 0.1 }, {}, ['refuseAbove must be a number from 0.2 to 1']],
    [{ shedAbove: 1.1 }, {}, ['shedAbove must be a number from 0.2 to 1']],
    [
      { maxPerIp: 1, maxInFlight: 3 },
      {},
      [`maxInFlight is not a limit that can change: these are ${LIMIT_KEYS.join(', ')}`],
    ],
    [{}, {}, [` must have at least one of ${LIMIT_KEYS.join(', ')}`]],
    [{ maxPerIp: undefined }, {}, [` must have at least one of ${LIMIT_KEYS.join(', ')}`]],
    [null, {}, [' must be an object of limits']],
    ['maxPerIp', {}, [' must be an object of limits']],
    [{ maxPerIp: 1 }, { forMs: 0 }, ['forMs must be a whole number of milliseconds from 1 to 2147483647']],
    [{ maxPerIp: 1 }, { forMs: 2 ** 31 }, ['forMs must be a whole number of milliseconds from 1 to 2147483647']],
    [{ maxPerIp: 1 }, { node: '' }, ['node must be a text of 1 to 400 characters']],
    [{ maxPerIp: 1 }, { until: 5 }, ['until is not one of forMs, node and by']],
    [{ maxPerIp: null }, { forMs: 5 }, ['forMs must not be given where each limit is null: a removal has no end']],
    [
      { maxPerIp: -1, shedAbove: 2 },
      { forMs: '1' },
      [
        'maxPerIp must be a whole number of connections from 0 to 10000000',
        'shedAbove must be a number from 0.2 to 1',
        'forMs must be a whole number of milliseconds from 1 to 2147483647',
      ],
    ],
  ])('refuses %j with %j', (limits, options, faults) => {
    const { code, problems } = refusalOf(limits, options);
    expect(code).toBe('HEARTBEAT_BAD_LIMITS');
    expect(problems.map(({ key, rule }) => `${key} ${rule}`)).toEqual(faults);
    for (const { remedy } of problems) expect(remedy).toMatch(/correct|remove|add|leave/);
  });

  it('returns the given limits, without those that are undefined', () => {
    const limits = { maxPerIp: 0, maxPerUser: null, shedAbove: undefined, refuseAbove: 0.5 };
    expect(checkedChange(limits, { forMs: 5, node: 'all' })).toEqual({
      limits: [
        ['maxPerIp', 0],
        ['maxPerUser', null],
        ['refuseAbove', 0.5],
      ],
      options: { forMs: 5, node: 'all' },
    });
  });
});

describe('limitOf', () => {
  it.each<[string, unknown, unknown]>([
    ['maxPerIp', 5, { key: 'maxPerIp', value: 5 }],
    ['maxPerIp', null, { key: 'maxPerIp', value: null }],
    ['maxPerIp', -5, null],
    ['maxPerIp', undefined, null],
    ['maxInFlight', 5, null],
    ['__proto__', 5, null],
  ])('reads %s as %p', (key, value, expected) => {
    expect(limitOf(key, value)).toEqual(expected);
  });
});
