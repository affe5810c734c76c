import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { InputPipe } from '../http/input.pipe.js';
import { ProblemException } from '../http/problem.exception.js';
import { kicksBody } from './kicks-body.js';

const read = (body: unknown) =>
  new InputPipe(kicksBody).transform(body, { type: 'body' }) as Promise<(typeof kicksBody)['_output']>;

async function pointersOf(body: unknown): Promise<string[]> {
  const error = await read(body).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error === null) return [];
  expect(error).toBeInstanceOf(ProblemException);
  const { status, type, errors = [] } = (error as ProblemException).problem;
  expect([status, type]).toEqual([400, 'urn:nestjs-heartbeat:problem:bad-body']);
  return errors.map(({ pointer }) => pointer);
}

const USER = { filter: { user: 'ada' }, dryRun: true };

describe('the body of a bulk kick', () => {
  it.each<[string, unknown, string]>([
    ['no body', undefined, ''],
    ['null', null, ''],
    ['a list', [], ''],
    ['a text', 'kick', ''],
    ['an empty object', {}, ''],
    ['options alone', { reason: 'x', dryRun: true }, ''],
    ['no dry run', { filter: { user: 'ada' } }, '/dryRun'],
    ['a dry run that is none', { ...USER, dryRun: false }, '/dryRun'],
    ['a dry run as a text', { ...USER, dryRun: 'true' }, '/dryRun'],
    ['ids without a dry run', { ids: ['n.00000001'] }, '/dryRun'],
    ['filter and ids', { ...USER, ids: ['n.00000001'] }, '/ids'],
    ['an empty filter', { filter: {}, dryRun: true }, '/filter'],
    ['no filter', { filter: null, dryRun: true }, '/filter'],
    ['a filter as a list', { filter: [], dryRun: true }, '/filter'],
    ['a filter as a text', { filter: 'user=ada', dryRun: true }, '/filter'],
    ['an unknown condition', { filter: { usr: 'ada' }, dryRun: true }, '/filter/usr'],
    ['a condition of the query', { filter: { 'label.team': 'red' }, dryRun: true }, '/filter/label.team'],
    ['an empty user', { filter: { user: '' }, dryRun: true }, '/filter/user'],
    ['no user', { filter: { user: null }, dryRun: true }, '/filter/user'],
    ['a list of users', { filter: { user: ['ada'] }, dryRun: true }, '/filter/user'],
    ['an address that is none', { filter: { ip: '10.0.0.300' }, dryRun: true }, '/filter/ip'],
    ['a state that is none', { filter: { state: 'idle' }, dryRun: true }, '/filter/state'],
    ['a time as a text', { filter: { minAgeMs: '5' }, dryRun: true }, '/filter/minAgeMs'],
    ['a negative time', { filter: { minAgeMs: -1 }, dryRun: true }, '/filter/minAgeMs'],
    ['no labels', { filter: { labels: {} }, dryRun: true }, '/filter/labels'],
    ['an empty label', { filter: { labels: { team: '' } }, dryRun: true }, '/filter/labels.team'],
    ['a prototype', JSON.parse('{"filter":{"__proto__":{"user":"ada"}},"dryRun":true}'), '/filter/__proto__'],
    ['no ids', { ids: [], dryRun: true }, '/ids'],
    ['ids as a text', { ids: 'n.00000001', dryRun: true }, '/ids'],
    ['an empty id', { ids: ['n.00000001', ''], dryRun: true }, '/ids/1'],
    ['an id that is no text', { ids: [7], dryRun: true }, '/ids/0'],
    ['too many ids', { ids: Array.from({ length: 1001 }, (_, n) => `n.${n}`), dryRun: true }, '/ids'],
    ['an empty token', { token: '' }, '/token'],
    ['a token as a number', { token: 7 }, '/token'],
    ['a token with a filter', { token: 't', filter: { user: 'ada' } }, '/filter'],
    ['a token with ids', { token: 't', ids: ['n.00000001'] }, '/ids'],
    ['a token with a dry run', { token: 't', dryRun: true }, '/dryRun'],
    ['an unknown key', { ...USER, all: true }, '/all'],
    ['a reason that is too long', { ...USER, reason: 'x'.repeat(124) }, '/reason'],
    ['an empty reason', { ...USER, reason: '' }, '/reason'],
    ['reconnect as a text', { token: 't', reconnect: 'true' }, '/reconnect'],
    ['a ban for no time', { token: 't', banForMs: 0 }, '/banForMs'],
    ['a ban for ever', { token: 't', banForMs: Number.POSITIVE_INFINITY }, '/banForMs'],
    ['a ban with a reconnect', { token: 't', banForMs: 1, reconnect: true }, '/banForMs'],
    ['no pace', { token: 't', perSecond: 0 }, '/perSecond'],
    ['half a kick', { token: 't', perSecond: 0.5 }, '/perSecond'],
    ['too fast a pace', { token: 't', perSecond: 100_001 }, '/perSecond'],
  ])('is refused: %s', async (_what, body, pointer) => {
    expect(await pointersOf(body)).toEqual([pointer]);
  });

  it.each<[unknown, unknown]>([
    [USER, { token: undefined, selection: { filter: { user: 'ada' } }, options: {} }],
    [
      { ids: ['n.00000001'], dryRun: true, perSecond: 5 },
      { token: undefined, selection: { ids: ['n.00000001'] }, options: { perSecond: 5 } },
    ],
    [
      { filter: { labels: { team: 'red' }, ip: '10.0.0.0/8', minIdleMs: 5 }, dryRun: true },
      {
        token: undefined,
        selection: { filter: { labels: { team: 'red' }, ip: '10.0.0.0/8', minIdleMs: 5 } },
        options: {},
      },
    ],
    [
      { token: 't', reason: 'x', reconnect: true },
      { token: 't', selection: {}, options: { reason: 'x', reconnect: true } },
    ],
  ])('is taken: %j', async (body, expected) => {
    expect(await read(body)).toEqual(expected);
  });

  it('never selects all, whatever JSON it is', async () => {
    const key = fc.constantFrom(
      'filter',
      'ids',
      'token',
      'dryRun',
      'reason',
      'reconnect',
      'banForMs',
      'perSecond',
      'x',
    );
    const condition = fc.constantFrom('user', 'ip', 'labels', 'minAgeMs', 'node', 'x');
    const filter = fc.dictionary(condition, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(true), filter);
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.dictionary(key, value), fc.jsonValue()), async body => {
        if ((await pointersOf(body)).length > 0) return;
        const { token, selection } = await read(body);
        const [selected = {}] = Object.values(selection);
        expect(Object.keys(selected).length > 0).toBe(token === undefined);
      }),
    );
  });
});
