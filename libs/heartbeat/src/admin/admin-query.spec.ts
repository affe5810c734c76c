import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { banBody, kickQuery, listQuery } from './admin-query.js';
import { ProblemException } from '../http/problem.exception.js';
import { InputPipe } from '../http/input.pipe.js';

const read = <Schema extends typeof listQuery | typeof kickQuery>(schema: Schema, query: object) =>
  new InputPipe(schema).transform(query, { type: 'query' }) as Promise<Schema['_output']>;

async function errorsOf(schema: Parameters<typeof read>[0], query: object) {
  const error = await read(schema, query).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ProblemException);
  const { status, errors } = (error as ProblemException).problem;
  expect(status).toBe(400);
  return errors;
}

const PLACE = { at: { key: 12, id: 'n.00000001' }, behind: [] };

describe('the query of a listing', () => {
  it('has defaults', async () => {
    expect(await read(listQuery, {})).toMatchObject({
      filter: {},
      sort: 'openedAt',
      order: 'asc',
      limit: 50,
      after: null,
    });
  });

  it('reads every parameter', async () => {
    const query = {
      limit: '500',
      sort: 'rttMs',
      order: 'desc',
      user: 'u',
      ip: '10.0.0.0/8',
      path: '/ws',
      node: 'n',
      state: 'probing',
      minIdleMs: '0',
      minAgeMs: '1',
      minRttMs: '2',
      minBufferedBytes: '3',
      'label.team': 'red',
      'label.a.b': 'c=d',
    };
    expect(await read(listQuery, query)).toMatchObject({
      limit: 500,
      sort: 'rttMs',
      order: 'desc',
      filter: {
        user: 'u',
        ip: '10.0.0.0/8',
        path: '/ws',
        node: 'n',
        state: 'probing',
        minIdleMs: 0,
        minAgeMs: 1,
        minRttMs: 2,
        minBufferedBytes: 3,
        labels: { team: 'red', 'a.b': 'c=d' },
      },
    });
  });

  it.each([
    ['limit', '0', 'must be a whole number from 1 to 500'],
    ['limit', '501', 'must be a whole number from 1 to 500'],
    ['limit', '1.5', 'must be a whole number from 1 to 500'],
    ['limit', '1e2', 'must be a whole number from 1 to 500'],
    ['limit', ' 7', 'must be a whole number from 1 to 500'],
    ['limit', '', 'must not be empty: give a value, or leave it out'],
    ['limit', ['1', '2'], 'must be given only once'],
    ['minAgeMs', '-1', 'must be a whole number from 0'],
    ['minAgeMs', '9'.repeat(30), 'must be a whole number from 0'],
    ['state', 'closed', 'must be one of open, probing, closing'],
    ['order', 'up', 'must be one of asc, desc'],
    ['user', '', 'must not be empty: give a value, or leave it out'],
    ['label.team', '', 'must not be empty: give a value, or leave it out'],
    ['label.team', ['a', 'b'], 'must be given only once'],
    ['ip', '10.0.0.0/33', 'must be an IP address, or a CIDR such as 10.0.0.0/8 or 2001:db8::/32'],
    ['ip', 'localhost', 'must be an IP address, or a CIDR such as 10.0.0.0/8 or 2001:db8::/32'],
    ['cursor', 'x', expect.stringMatching(/^does not belong to this listing, or is damaged/)],
  ])('rejects %s=%j', async (name, value, detail) => {
    expect(await errorsOf(listQuery, { [name]: value })).toEqual([{ pointer: `/${name}`, detail }]);
  });

  it.each(['IP', 'ip ', 'label', 'label.', 'labels', 'constructor', 'toString', ''])(
    'rejects the parameter %j, and lists the known ones',
    async name => {
      const detail = expect.stringMatching(
        /^is no parameter of this route, which takes limit, cursor, .*label\.<key>$/,
      );
      expect(await errorsOf(listQuery, { [name]: '1' })).toEqual([{ pointer: `/${name}`, detail }]);
    },
  );

  it('rejects __proto__, alone and as a label', async () => {
    const query = Object.fromEntries([
      ['__proto__', '1'],
      ['label.__proto__', '1'],
    ]);
    expect(await errorsOf(listQuery, query)).toMatchObject([
      { pointer: '/__proto__' },
      { pointer: '/label.__proto__' },
    ]);
  });

  it('rejects anything that is not a parameter, with no other error', async () => {
    const known = new Set(['limit', 'cursor', 'sort', 'order', 'user', 'ip', 'path', 'node', 'state']);
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string({ minLength: 1 }), async (name, value) => {
        fc.pre(!known.has(name) && !name.startsWith('label.') && !name.startsWith('min'));
        expect(await errorsOf(listQuery, Object.fromEntries([[name, value]]))).toHaveLength(1);
      }),
    );
  });

  it('lists every fault at once, with pointers that escape their parameters', async () => {
    const errors = await errorsOf(listQuery, { limit: 'x', sort: 'age', 'a/b~c': '1', 'label.x/y': '' });
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/limit', '/sort', '/label.x~1y', '/a~1b~0c']);
  });

  it('accepts its own cursor, with any order of parameters and any limit', async () => {
    const first = await read(listQuery, { user: 'u', path: '/ws', 'label.a': '1', 'label.b': '2', limit: '1' });
    const cursor = first.cursorTo(PLACE);
    const next = await read(listQuery, { cursor, 'label.b': '2', 'label.a': '1', path: '/ws', user: 'u' });
    expect(next.after).toEqual(PLACE);
  });

  it.each([[{ sort: 'rttMs' }], [{ order: 'desc' }], [{ user: 'v' }], [{ user: 'u', path: '/ws' }], [{}]])(
    'rejects a cursor of another listing: %j',
    async query => {
      const cursor = (await read(listQuery, { user: 'u' })).cursorTo(PLACE);
      expect(await errorsOf(listQuery, { ...query, cursor })).toMatchObject([{ pointer: '/cursor' }]);
    },
  );

  it('accepts the output of a global pipe of the application', async () => {
    const once = await read(listQuery, { limit: '7' });
    expect(await read(listQuery, once)).toBe(once);
  });
});

describe('the query of a kick', () => {
  it.each([
    [{}, { reconnect: false }],
    [{ reconnect: 'true' }, { reconnect: true }],
    [{ reason: 'é'.repeat(61) }, { reason: 'é'.repeat(61), reconnect: false }],
  ])('reads %j', async (query, expected) => {
    expect(await read(kickQuery, query)).toEqual(expected);
  });

  it.each([
    [{ reconnect: 'yes' }, '/reconnect', 'must be true or false'],
    [{ reconnect: '' }, '/reconnect', 'must not be empty: give a value, or leave it out'],
    [
      { reason: 'é'.repeat(62) },
      '/reason',
      'must be at most 123 bytes of UTF-8, which is what a close frame can carry',
    ],
    [{ reasons: 'x' }, '/reasons', 'is no parameter of this route, which takes reason, reconnect, banForMs'],
  ])('rejects %j', async (query, pointer, detail) => {
    expect(await errorsOf(kickQuery, query)).toEqual([{ pointer, detail }]);
  });
});

describe('the body of a ban', () => {
  const ban = { kind: 'ip', value: '192.0.2.1', forMs: 1 };

  it.each<[unknown, string]>([
    ['x', 'must be an object: the body is JSON with kind, value, forMs, reason and force'],
    [[ban], 'must be an object: the body is JSON with kind, value, forMs, reason and force'],
    [{ ...ban, until: 'later' }, 'is not a key of a ban, which has kind, value, forMs, reason and force'],
    [{ ...ban, Force: true }, 'is not a key of a ban, which has kind, value, forMs, reason and force'],
    [{ ...ban, force: 'true' }, 'must be true or false'],
  ])('lists the keys, and accepts no other value: %j', (body, message) => {
    expect(banBody.safeParse(body).error?.issues).toMatchObject([{ message }]);
  });
});
