import { describe, expect, it } from '@jest/globals';

import { ProblemException } from '../http/problem.exception.js';
import { InputPipe } from '../http/input.pipe.js';
import { listQuery } from './admin-query.js';
import { closedQuery, type ClosedRequest } from './closed-query.js';

const read = (query: object) =>
  new InputPipe(closedQuery).transform(query, { type: 'query' }) as Promise<ClosedRequest>;

async function errorsOf(query: object) {
  const error = await read(query).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ProblemException);
  const { status, errors } = (error as ProblemException).problem;
  expect(status).toBe(400);
  return errors;
}

const FILTERS = { code: '4000', by: 'server', user: 'ada', ip: '10.0.0.0/8', since: '2026-11-20T14:03:00Z' };

describe('the query of the closed connections', () => {
  it('has defaults', async () => {
    expect(await read({})).toMatchObject({ limit: 50, after: null, node: undefined, filter: {} });
    expect(Object.keys((await read({})).filter)).toEqual([]);
  });

  it('reads every parameter', async () => {
    expect(await read({ ...FILTERS, node: 'n', limit: '500' })).toMatchObject({
      limit: 500,
      node: 'n',
      filter: { code: 4000, by: 'server', user: 'ada', ip: '10.0.0.0/8', since: Date.UTC(2026, 10, 20, 14, 3) },
    });
  });

  it.each([
    ['2026-11-20T14:03:00Z', Date.UTC(2026, 10, 20, 14, 3)],
    ['2026-11-20T14:03:00.250Z', Date.UTC(2026, 10, 20, 14, 3, 0, 250)],
    ['2026-11-20T15:03:00+01:00', Date.UTC(2026, 10, 20, 14, 3)],
  ])('reads the time %s', async (since, expected) => {
    expect((await read({ since })).filter).toEqual({ since: expected });
  });

  const RULE_OF_TIME = 'must be a time in ISO 8601 with its offset, such as 2026-01-31T12:00:00Z';
  it.each([
    ['code', '999', 'must be a whole number from 1000 to 4999'],
    ['code', '4000.5', 'must be a whole number from 1000 to 4999'],
    ['code', 'idle', 'must be a whole number from 1000 to 4999'],
    ['by', 'Server', 'must be one of client, server, operator, network'],
    ['user', '', 'must not be empty: give a value, or leave it out'],
    ['ip', '10.0.0', 'must be an IP address, or a CIDR such as 10.0.0.0/8 or 2001:db8::/32'],
    ['ip', '10.0.0.0/33', 'must be an IP address, or a CIDR such as 10.0.0.0/8 or 2001:db8::/32'],
    ['since', '14:03', RULE_OF_TIME],
    ['since', '2026-11-20', RULE_OF_TIME],
    ['since', '2026-11-20T14:03:00', RULE_OF_TIME],
    ['since', '2026-13-20T14:03:00Z', RULE_OF_TIME],
    ['limit', '501', 'must be a whole number from 1 to 500'],
    ['cursor', 'x', expect.stringContaining('does not belong to this listing')],
  ])('refuses %s=%s', async (name, value, detail) => {
    expect(await errorsOf({ [name]: value })).toEqual([{ pointer: `/${name}`, detail }]);
  });

  it('refuses unknown parameters and repeated ones', async () => {
    expect(await errorsOf({ closedBy: 'server' })).toMatchObject([{ pointer: '/closedBy' }]);
    expect(await errorsOf({ code: ['4000', '4001'] })).toMatchObject([{ pointer: '/code' }]);
  });

  it('accepts its own cursor, and not that of the open connections', async () => {
    const cursor = (await read({})).cursorTo('n.00000001');
    expect((await read({ cursor })).after).toBe('n.00000001');
    const other = await new InputPipe(listQuery).transform({}, { type: 'query' });
    const foreign = (other as { cursorTo(end: object): string }).cursorTo({ at: { key: 1, id: 'n.1' }, behind: [] });
    expect(await errorsOf({ cursor: foreign })).toMatchObject([{ pointer: '/cursor' }]);
  });

  it.each(Object.keys(FILTERS))('binds a cursor to the filter %s, and to the node', async name => {
    const cursor = (await read(FILTERS)).cursorTo('n.00000001');
    expect((await read({ ...FILTERS, cursor, limit: '7' })).after).toBe('n.00000001');
    const { [name]: _, ...others } = FILTERS as Record<string, string>;
    for (const query of [others, { ...FILTERS, node: 'n' }])
      expect(await errorsOf({ ...query, cursor })).toMatchObject([{ pointer: '/cursor' }]);
  });
});
