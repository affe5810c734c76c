import { describe, expect, it } from '@jest/globals';

import { type LimitKey, liveLimitsOf, type LiveLimits } from '../node/live-limits.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { type LimitOverride, LimitOverrides, type LimitScope } from './limit-overrides.js';

const RAISED = { load: { refuseAbove: 0.5, shedAbove: 0.6 } };

/** One override for each line: scope, limit, value and time for which it is set at the time 0. */
type Line = readonly [LimitScope, LimitKey, number | null, number?];

function overridesOf(options: HeartbeatOptions, lines: readonly Line[]): LimitOverrides {
  return lines.reduce(
    (overrides, [scope, key, value, forMs]) => overrides.with(scope, [[key, override(value, forMs)]]),
    new LimitOverrides(resolveOptions(options)),
  );
}

function override(value: number | null, forMs?: number, stamp = 1): LimitOverride {
  return { value, endsAt: forMs ?? Infinity, by: 'ops', forMs: forMs ?? null, stamp };
}

describe('LimitOverrides', () => {
  it.each<[string, HeartbeatOptions, Line[], number, Partial<LiveLimits>]>([
    ['the options without overrides', {}, [], 0, {}],
    ['an override of the node', {}, [['node', 'maxPerIp', 5]], 0, { maxPerIp: 5 }],
    ['an override of all nodes', {}, [['all', 'maxPerIp', 5]], 0, { maxPerIp: 5 }],
    [
      'that of the node before that of all',
      {},
      [
        ['node', 'maxPerIp', 5],
        ['all', 'maxPerIp', 7],
      ],
      0,
      { maxPerIp: 5 },
    ],
    [
      'that of all after the end of the other',
      {},
      [
        ['node', 'maxPerIp', 5, 10],
        ['all', 'maxPerIp', 7],
      ],
      10,
      { maxPerIp: 7 },
    ],
    [
      'the option after both ends',
      {},
      [
        ['node', 'maxPerIp', 5, 10],
        ['all', 'maxPerIp', 7, 20],
      ],
      20,
      {},
    ],
    ['the override until its end', {}, [['node', 'maxPerIp', 5, 10]], 9.9, { maxPerIp: 5 }],
    [
      'the later one of a scope',
      {},
      [
        ['node', 'maxPerIp', 5],
        ['node', 'maxPerIp', 6, 10],
      ],
      0,
      { maxPerIp: 6 },
    ],
    [
      'not an earlier one of the scope after its end',
      {},
      [
        ['node', 'maxPerIp', 5],
        ['node', 'maxPerIp', 6, 10],
      ],
      10,
      {},
    ],
    [
      'the option after a removal',
      {},
      [
        ['node', 'maxPerIp', 5],
        ['node', 'maxPerIp', null],
      ],
      0,
      {},
    ],
    [
      'that of all after a removal',
      {},
      [
        ['all', 'maxPerIp', 7],
        ['node', 'maxPerIp', null],
      ],
      0,
      { maxPerIp: 7 },
    ],
    ['0 as a value', { limits: { maxPerIp: 3 } }, [['node', 'maxPerIp', 0]], 0, { maxPerIp: 0 }],
    [
      'a pair that is possible',
      RAISED,
      [
        ['node', 'refuseAbove', 0.8],
        ['node', 'shedAbove', 0.9],
      ],
      0,
      { refuseAbove: 0.8, shedAbove: 0.9 },
    ],
    ['the options instead of an impossible pair', RAISED, [['node', 'refuseAbove', 0.8]], 0, {}],
    [
      'other limits beside an impossible pair',
      RAISED,
      [
        ['all', 'refuseAbove', 0.8],
        ['all', 'maxPerIp', 5],
      ],
      0,
      { maxPerIp: 5 },
    ],
    [
      'those of all instead of an impossible pair of the node',
      RAISED,
      [
        ['node', 'shedAbove', 0.3],
        ['all', 'refuseAbove', 0.4],
      ],
      0,
      { refuseAbove: 0.4 },
    ],
  ])('has in force: %s', (_what, options, lines, now, expected) => {
    const given = liveLimitsOf(resolveOptions(options));
    expect(overridesOf(options, lines).inForce(now)).toEqual({ ...given, ...expected });
  });

  it.each<[string, Line[], [string, number][]]>([
    ['none', [['node', 'maxPerIp', 5, 10]], []],
    ['an impossible pair', [['node', 'refuseAbove', 0.98]], [['load.refuseAbove', 0]]],
    [
      'an impossible pair of two scopes',
      [
        ['all', 'refuseAbove', 0.5],
        ['node', 'shedAbove', 0.4],
      ],
      [['load.refuseAbove', 0]],
    ],
    [
      'a pair that is impossible once one half has ended',
      [
        ['node', 'refuseAbove', 0.5, 10],
        ['node', 'shedAbove', 0.6, 20],
      ],
      [['load.refuseAbove', 10]],
    ],
    [
      'no pair whose halves end together',
      [
        ['node', 'refuseAbove', 0.5, 10],
        ['node', 'shedAbove', 0.6, 10],
      ],
      [],
    ],
    [
      'no pair whose lower half ends last',
      [
        ['node', 'refuseAbove', 0.5, 20],
        ['node', 'shedAbove', 0.6, 10],
      ],
      [],
    ],
  ])('finds %s', (_what, lines, expected) => {
    const problems = overridesOf({}, lines).problems(0);
    expect(problems.map(({ key, at }) => [key, at])).toEqual(expected);
  });

  it('knows the next end, without those of removed overrides', () => {
    const overrides = overridesOf({}, [
      ['node', 'maxPerIp', 5, 30],
      ['all', 'maxPerIp', 7, 20],
      ['all', 'maxPerUser', 7, 10],
      ['all', 'maxPerUser', null],
      ['node', 'maxConnections', 7],
    ]);
    expect([0, 20, 30].map(now => overrides.nextEnd(now))).toEqual([20, 30, Infinity]);
  });

  it('takes overrides of all nodes that are later than the known ones', () => {
    const known = new LimitOverrides(resolveOptions()).with('all', [['maxPerIp', override(1, 10, 5)]]);
    const given = [
      ['maxPerIp', override(2, 10, 5)],
      ['maxPerIp', override(3, 10, 6)],
      ['maxPerUser', override(null)],
    ] as const;
    expect(known.later(given)).toEqual([given[1], given[2]]);
  });
});
