import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { checkedSelection, checkedSettings } from './kick-settings.js';
import type { BulkKickOptions, KickSelection } from './kick.types.js';

function problemsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof HeartbeatError && error.code === 'HEARTBEAT_BAD_QUERY')
      return error.problems.map(({ key }) => key);
    throw error;
  }
  return [];
}

describe('checkedSelection', () => {
  it.each<[string, unknown, string]>([
    ['nothing', {}, 'filter'],
    ['both', { filter: { user: 'u' }, ids: ['n.00000001'] }, 'filter'],
    ['a filter without a condition', { filter: {} }, 'filter'],
    ['no object', { filter: 'user' }, 'filter'],
    ['null', { filter: null }, 'filter'],
    ['a list', { filter: [] }, 'filter'],
    ['an unknown condition', { filter: { usr: 'u' } }, 'usr'],
    ['an unknown condition beside a known one', { filter: { user: 'u', all: true } }, 'all'],
    ['an empty text', { filter: { user: '' } }, 'user'],
    ['an undefined condition', { filter: { user: undefined } }, 'user'],
    ['a null condition', { filter: { user: null } }, 'user'],
    ['no label', { filter: { labels: {} } }, 'labels'],
    ['an undefined label', { filter: { labels: { team: undefined } } }, 'labels.team'],
    ['a number that is no number', { filter: { minAgeMs: Number.NaN } }, 'minAgeMs'],
    ['no id', { ids: [] }, 'ids'],
    ['too many ids', { ids: Array.from({ length: 1001 }, (_, n) => `n.${n}`) }, 'ids'],
    ['ids that are no list', { ids: 'n.00000001' }, 'ids'],
    ['an empty id', { ids: ['n.00000001', ''] }, 'ids.1'],
    ['an id that is no text', { ids: [7] }, 'ids.0'],
    ['a long id', { ids: ['x'.repeat(301)] }, 'ids.0'],
  ])('refuses %s', (_what, given, key) => {
    expect(problemsOf(() => checkedSelection(given as KickSelection))).toEqual([key]);
  });

  it.each<[KickSelection, unknown]>([
    [{ filter: { user: 'u' } }, { filter: { user: 'u' } }],
    [{ filter: { minAgeMs: 0 } }, { filter: { minAgeMs: 0 } }],
    [{ filter: { labels: { team: 'red' } } }, { filter: { labels: { team: 'red' } } }],
    [{ ids: ['a', 'b', 'a'] }, { ids: ['a', 'b'] }],
  ])('takes %j', (given, checked) => {
    expect(checkedSelection(given)).toEqual(checked);
  });

  it('takes nothing that selects all, whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (filter, ids) => {
        const given = { filter, ids } as KickSelection;
        if (problemsOf(() => checkedSelection(given)).length > 0) return;
        const checked = checkedSelection(given);
        expect(Object.keys('ids' in checked ? checked.ids : checked.filter)).not.toEqual([]);
      }),
    );
  });
});

describe('checkedSettings', () => {
  it('lets the later options win, one by one', () => {
    const first = { reason: 'a', perSecond: 5, reconnect: true };
    expect(checkedSettings(first, { reason: 'b' })).toEqual({ reason: 'b', perSecond: 5, reconnect: true });
    expect(checkedSettings(first, { reconnect: false, banForMs: 7 })).toEqual({
      ...first,
      reconnect: false,
      banForMs: 7,
    });
    expect(checkedSettings(first, { reason: undefined })).toEqual(first);
  });

  it.each<[string, unknown, string]>([
    ['a reason that is too long', { reason: '✓'.repeat(42) }, 'reason'],
    ['an empty reason', { reason: '' }, 'reason'],
    ['reconnect as a text', { reconnect: 'true' }, 'reconnect'],
    ['a ban for no time', { banForMs: 0 }, 'banForMs'],
    ['a ban for a part of a millisecond', { banForMs: 1.5 }, 'banForMs'],
    ['no pace', { perSecond: 0 }, 'perSecond'],
    ['too fast a pace', { perSecond: 100_001 }, 'perSecond'],
    ['an unknown option', { persecond: 1 }, 'persecond'],
    ['a ban with a reconnect', { banForMs: 1, reconnect: true }, 'banForMs'],
  ])('refuses %s', (_what, given, key) => {
    expect(problemsOf(() => checkedSettings(given as BulkKickOptions))).toEqual([key]);
  });

  it('refuses a ban in one request with a reconnect in the other', () => {
    expect(problemsOf(() => checkedSettings({ reconnect: true }, { banForMs: 1 }))).toEqual(['banForMs']);
  });
});
