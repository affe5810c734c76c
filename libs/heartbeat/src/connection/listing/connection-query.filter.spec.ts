import { describe, expect, it } from '@jest/globals';

import type { ConnectionFilter } from './connection-filter.js';
import { idleMs, predicateOf, type QueryMoment } from './connection-query.js';
import type { Connection } from '../connection.js';
import { NEVER, Pulse } from '../pulse.js';

const moment: QueryMoment = {
  now: 100_000,
  attended: 90_000,
  nodeId: 'blue-1a2b',
  nodeName: 'blue',
  toEpoch: time => time,
};

/** The part of a connection that a filter reads. */
function fakeConnection({ pulse = {}, ...given }: Record<string, unknown> = {}): Connection {
  return {
    userId: null,
    ip: '10.0.0.1',
    path: '/ws',
    state: 'open',
    transport: 'ws',
    openedAt: 40_000,
    rttMs: null,
    labels: {},
    channel: { bytesWaiting: 0 },
    pulse: Object.assign(new Pulse(null, 0, 30_000, 0), pulse),
    ...given,
  } as unknown as Connection;
}

const matches = (filter: ConnectionFilter, connection: Connection) => predicateOf(filter, moment)(connection);

describe('predicateOf', () => {
  it.each<[string, ConnectionFilter, Record<string, unknown>, boolean]>([
    ['nothing', {}, {}, true],
    ['the user', { user: 'ann' }, { userId: 'ann' }, true],
    ['another user', { user: 'ann' }, { userId: 'Ann' }, false],
    ['a user, of an anonymous client', { user: 'null' }, {}, false],
    ['the path', { path: '/ws' }, {}, true],
    ['a part of the path', { path: '/w' }, {}, false],
    ['the state', { state: 'probing' }, { state: 'probing' }, true],
    ['another state', { state: 'closing' }, {}, false],
    ['the transport', { transport: 'other' }, { transport: 'other' }, true],
    ['another transport', { transport: 'graphql-ws' }, {}, false],
    ['the node’s id', { node: 'blue-1a2b' }, {}, true],
    ['the node’s name', { node: 'blue' }, {}, true],
    ['another node', { node: 'green' }, {}, false],
    ['an age that is reached', { minAgeMs: 60_000 }, {}, true],
    ['an age that is not reached', { minAgeMs: 60_001 }, {}, false],
    ['a round trip that is reached', { minRttMs: 5 }, { rttMs: 5 }, true],
    ['a round trip that is not reached', { minRttMs: 5 }, { rttMs: 4.9 }, false],
    ['a round trip of nothing, before the first', { minRttMs: 0 }, { rttMs: null }, false],
    ['bytes that wait', { minBufferedBytes: 10 }, { channel: { bytesWaiting: 10 } }, true],
    ['more bytes than wait', { minBufferedBytes: 11 }, { channel: { bytesWaiting: 10 } }, false],
    ['an idle time that is reached', { minIdleMs: 60_000 }, {}, true],
    ['an idle time that is not reached', { minIdleMs: 60_001 }, {}, false],
    ['a label', { labels: { room: 'a' } }, { labels: { room: 'a', more: 'b' } }, true],
    ['a label of another value', { labels: { room: 'a' } }, { labels: { room: 'b' } }, false],
    ['a label that it lacks', { labels: { room: 'a' } }, {}, false],
    ['two labels, of which it has one', { labels: { room: 'a', side: 'b' } }, { labels: { room: 'a' } }, false],
    ['all conditions', { user: 'ann', path: '/ws', minAgeMs: 1 }, { userId: 'ann' }, true],
    ['all but one condition', { user: 'ann', path: '/no', minAgeMs: 1 }, { userId: 'ann' }, false],
  ])('for the filter %s (%p) returns for %p: %p', (_what, filter, given, expected) => {
    expect(matches(filter, fakeConnection(given))).toBe(expected);
  });

  it.each(['__proto__', 'constructor', 'toString'])('matches the label %s only as a label of the client', name => {
    const labels = Object.fromEntries([[name, 'x']]);
    expect(matches({ labels }, fakeConnection())).toBe(false);
    expect(matches({ labels }, fakeConnection({ labels }))).toBe(true);
    expect(matches({ labels: Object.fromEntries([[name, 'y']]) }, fakeConnection({ labels }))).toBe(false);
  });

  it.each([
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.10', false],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['10.0.0.0/31', '10.0.0.1', true],
    ['10.0.0.0/31', '10.0.0.2', false],
    ['10.0.0.1/32', '10.0.0.1', true],
    ['0.0.0.0/0', '203.0.113.7', true],
    ['::1', '::1', true],
    ['0:0:0:0:0:0:0:1', '::1', true],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:DB8::/32', '2001:db8::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['::ffff:0a00:0001', '10.0.0.1', true],
    ['::ffff:10.0.0.0/104', '10.0.0.1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['10.0.0.0/8', '::1', false],
    ['10.0.0.0/8', '', false],
  ])('for the address %s returns for %p: %p', (ip, of, expected) => {
    expect(matches({ ip }, fakeConnection({ ip: of }))).toBe(expected);
  });

  it.each([
    '',
    'localhost',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.0/',
    '10.0.0.0/ 8',
    '10.0.0.0/x',
    '10.0.0.0/-1',
    '10.0.0.0/8.5',
    '10.0.0.0/33',
    '10.0.0.0/1e1',
    '10.0.0.0/8/16',
    '::1/129',
    '/8',
    ' 10.0.0.1',
  ])('matches no connection for %p, which is neither an address nor a CIDR', ip => {
    for (const address of ['10.0.0.1', '::1', '203.0.113.7'])
      expect(matches({ ip }, fakeConnection({ ip: address }))).toBe(false);
  });
});

describe('idleMs', () => {
  it.each([
    ['the opening, without a message', {}, 60_000],
    ['the last message in either direction', { activeAt: 50_000 }, 40_000],
    ['the opening, at attended time 0', { openedAt: 0, activeAt: NEVER }, 90_000],
  ])('counts from %s', (_what, pulse, expected) => {
    expect(idleMs(fakeConnection({ pulse }), moment.attended)).toBe(expected);
  });

  it('ignores heartbeats of either kind', () => {
    const pulse = { silentSince: 89_000, checkedAt: 89_500, pingedAt: 89_900, messageAt: 89_950 };
    expect(idleMs(fakeConnection({ pulse }), moment.attended)).toBe(60_000);
  });
});
