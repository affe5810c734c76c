import { describe, expect, it } from '@jest/globals';

import { InputPipe } from '../http/input.pipe.js';
import { ProblemException } from '../http/problem.exception.js';
import { EVENT_TYPES } from './event-types.js';
import type { StreamRequest } from './event-streams.js';
import { eventsQuery } from './events-query.js';

const read = (query: object) =>
  new InputPipe(eventsQuery).transform(query, { type: 'query' }) as Promise<StreamRequest>;

async function errorsOf(query: object) {
  const error = await read(query).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ProblemException);
  return (error as ProblemException).problem.errors;
}

describe('the query of the event stream', () => {
  it('selects all types but heartbeats, of all connections, from now on', async () => {
    const { types, ...rest } = await read({});
    expect(EVENT_TYPES.filter(type => !types.includes(type))).toEqual(['ping', 'pong']);
    expect(rest).toEqual({ filter: {}, node: undefined, positions: new Map() });
  });

  it('reads every parameter', async () => {
    const query = {
      types: 'pong,closed',
      user: 'u',
      ip: '10.0.0.0/8',
      path: '/ws',
      node: 'n',
      transport: 'socket.io',
      lastEventId: '9f86d081:12',
      'label.team': 'red',
    };
    expect(await read(query)).toEqual({
      types: ['pong', 'closed'],
      node: 'n',
      filter: { user: 'u', ip: '10.0.0.0/8', path: '/ws', transport: 'socket.io', labels: { team: 'red' } },
      positions: new Map([['9f86d081', 12]]),
    });
  });

  it.each(['state', 'minIdleMs', 'minAgeMs', 'minRttMs', 'minBufferedBytes'])(
    'rejects %s, a filter of the list by a value that changes',
    async name => {
      const detail = expect.stringContaining('is a filter of the list only');
      expect(await errorsOf({ [name]: '1' })).toEqual([{ pointer: `/${name}`, detail }]);
    },
  );

  it.each([
    ['types', 'opened,close', 'must be a list of event types, separated by commas: opened, '],
    ['types', 'opened,', 'must be a list of event types'],
    ['types', '', 'must not be empty'],
    ['types', ['opened', 'closed'], 'must be given only once'],
    ['types', 'toString', 'must be a list of event types'],
    ['lastEventId', '12', 'must be the id of an event of this stream'],
    ['ip', '10.0.0.0/33', 'must be an IP address, or a CIDR'],
    ['transport', 'tcp', 'must be one of'],
    ['label.team', '', 'must not be empty'],
    [
      'limit',
      '5',
      'is no parameter of this route, which takes types, user, ip, path, node, transport, lastEventId, label',
    ],
    ['__proto__x', '5', 'is no parameter of this route'],
  ])('rejects %s=%j', async (name, value, detail) => {
    expect(await errorsOf({ [name]: value })).toEqual([
      { pointer: `/${name}`, detail: expect.stringContaining(detail) },
    ]);
  });
});
