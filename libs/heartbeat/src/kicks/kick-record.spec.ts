import { describe, expect, it } from '@jest/globals';

import {
  decodeRecord,
  decodeReports,
  encodeRecord,
  isJobId,
  jobOfToken,
  jobView,
  type KickRecord,
  type KickReport,
  newToken,
  partOf,
} from './kick-record.js';

const RUNNING: KickRecord = {
  state: 'running',
  selection: { filter: { user: 'u' } },
  options: { perSecond: 30 },
  nodes: [
    ['a', 20],
    ['b', 10],
  ],
  actor: { who: 'ops', role: 'operator', from: '10.0.0.1' },
  startedAt: 1000,
  startedBy: 'a',
  endedAt: null,
  endedBy: null,
  lost: [],
};
const STOPPING: KickRecord = { ...RUNNING, state: 'stopping' };
const ENDED: KickRecord = { ...RUNNING, state: 'ended', endedAt: 9000, endedBy: 'b' };

const of = (state: KickReport['state'], closed: number, gone = 0, failed = 0): KickReport => ({
  state,
  closed,
  gone,
  failed,
  bans: 0,
});

describe('jobView', () => {
  it.each<[string, KickRecord, Record<string, KickReport>, string[], string, string[]]>([
    ['runs before any report', RUNNING, {}, [], 'running', ['waiting 20+0', 'waiting 10+0']],
    [
      'runs while one does',
      RUNNING,
      { a: of('running', 3), b: of('done', 9, 1) },
      [],
      'running',
      ['running 20+0', 'done 10+0'],
    ],
    [
      'is done when all are',
      RUNNING,
      { a: of('done', 20), b: of('done', 9, 1) },
      [],
      'done',
      ['done 20+0', 'done 10+0'],
    ],
    [
      'is stopped from the request on',
      STOPPING,
      { a: of('running', 3) },
      [],
      'stopped',
      ['running 20+0', 'waiting 10+0'],
    ],
    [
      'is stopped when one was',
      STOPPING,
      { a: of('stopped', 3), b: of('done', 10) },
      [],
      'stopped',
      ['stopped 20+0', 'done 10+0'],
    ],
    [
      'is done when the request to stop came too late',
      STOPPING,
      { a: of('done', 20), b: of('done', 10) },
      [],
      'done',
      ['done 20+0', 'done 10+0'],
    ],
    [
      'names a node that has ended',
      RUNNING,
      { a: of('running', 5, 1, 1), b: of('done', 10) },
      ['a'],
      'done',
      ['lost 20+13', 'done 10+0'],
    ],
    ['names one that never began', RUNNING, { b: of('done', 10) }, ['a'], 'done', ['lost 20+20', 'done 10+0']],
    [
      'does not name one whose share had ended',
      RUNNING,
      { a: of('done', 20), b: of('done', 10) },
      ['a'],
      'done',
      ['done 20+0', 'done 10+0'],
    ],
    [
      'names one that has lost its list',
      RUNNING,
      { a: of('lost', 0), b: of('done', 10) },
      [],
      'done',
      ['lost 20+20', 'done 10+0'],
    ],
    [
      'keeps them named',
      { ...ENDED, lost: ['a'] },
      { a: of('running', 5), b: of('done', 10) },
      ['a'],
      'done',
      ['lost 20+15', 'done 10+0'],
    ],
  ])('%s', (_what, record, reports, lost, state, nodes) => {
    const view = jobView('j', record, new Map(Object.entries(reports)), lost);
    expect(view.state).toBe(state);
    expect(view.nodes.map(node => `${node.state} ${node.matched}+${node.lost}`)).toEqual(nodes);
    expect(view.matched).toBe(30);
    expect(view.lost).toBe(view.nodes.reduce((sum, node) => sum + node.lost, 0));
  });

  it('sums up, and shows times', () => {
    const reports = new Map([
      ['a', { ...of('done', 15, 4, 1), bans: 3 }],
      ['b', of('done', 10)],
    ]);
    expect(jobView('j', ENDED, reports)).toMatchObject({
      job: 'j',
      closed: 25,
      gone: 4,
      failed: 1,
      bans: 3,
      perSecond: 30,
      startedAt: new Date(1000),
      endedAt: new Date(9000),
    });
    expect(jobView('j', { ...RUNNING, options: {} }, reports)).toMatchObject({ perSecond: 1000, endedAt: null });
  });
});

describe('a record', () => {
  it('is the same after it was stored', () => {
    expect(decodeRecord(encodeRecord(ENDED))).toEqual(ENDED);
    expect(decodeRecord(encodeRecord({ ...RUNNING, actor: null, options: {} }))?.options).toEqual({});
  });

  it.each(['', 'null', '{}', '{"state":"running"}', 'x'])('is no record: %s', text => {
    expect(decodeRecord(text)).toBeNull();
  });

  it('has the reports that can be read', () => {
    const reports = new Map([
      ['a', JSON.stringify(of('done', 1))],
      ['b', '{"state":"asleep"}'],
      ['c', ''],
    ]);
    expect(decodeReports(reports)).toEqual(new Map([['a', of('done', 1)]]));
  });
});

it('divides the pace by the connections of each node', () => {
  expect([partOf(RUNNING, 20), partOf(RUNNING, 10)]).toEqual([20, 10]);
  expect(partOf({ ...RUNNING, options: {} }, 10)).toBeCloseTo(333.3, 1);
});

it('has tokens that no id of a job reveals', () => {
  const { token, job } = newToken();
  expect(jobOfToken(token)).toBe(job);
  expect([isJobId(job), isJobId(token), isJobId('../x')]).toEqual([true, false, false]);
  expect(newToken().token).not.toBe(token);
});
