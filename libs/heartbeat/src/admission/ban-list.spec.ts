import { beforeEach, describe, expect, it } from '@jest/globals';

import type { Connection } from '../connection/connection.js';
import type { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import type { Ban, BanKind } from './ban-index.js';
import { BanList } from './ban-list.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

const WALL = 1_700_000_000_000;

describe('BanList', () => {
  let time: number;
  let wallJump: number;
  let node: NodeState;
  let bans: BanList;
  let connections: ConnectionService;
  let events: HeartbeatEvents;

  beforeEach(() => {
    time = 1000;
    wallJump = 0;
    const clock = { now: () => time, wallTime: (moment: number) => new Date(WALL + wallJump + moment) };
    node = new NodeState(resolveOptions(), clock);
    events = new HeartbeatEvents();
    ({ connections, bans } = wireNode(node, events));
  });

  function open(ip: string, userId?: string): Connection {
    return connections.open({
      transport: transportOf({ close: () => undefined, send: () => undefined }),
      path: '/ws',
      ip,
      userAgent: null,
      identity: userId === undefined ? null : { userId },
      deferred: false,
    });
  }

  const ban = (kind: BanKind, value: string, forMs = 60_000): Ban => bans.ban({ kind, value, forMs, reason: 'spam' });

  it.each<[BanKind, string, string, string | null, boolean]>([
    ['user', 'ann', '203.0.113.7', 'ann', true],
    ['user', 'ann', '203.0.113.7', 'Ann', false],
    ['user', 'ann', '203.0.113.7', 'anna', false],
    ['user', 'ann', '203.0.113.7', null, false],
    ['user', '203.0.113.7', '203.0.113.7', null, false],
    ['user', 'null', '203.0.113.7', null, false],
    ['ip', '203.0.113.7', '203.0.113.7', 'ann', true],
    ['ip', '203.0.113.7', '203.0.113.8', 'ann', false],
    ['ip', '203.0.113.7', '198.51.100.1', '203.0.113.7', false],
    ['ip', '::ffff:203.0.113.7', '203.0.113.7', null, true],
    ['ip', '203.0.113.7', '::ffff:cb00:7107', null, true],
    ['ip', '2001:DB8:0::7', '2001:db8::7', null, true],
    ['ip', '2001:db8::7', '2001:db8::8', null, false],
    ['ip', '2001:db8::7', '', null, false],
    ['cidr', '203.0.113.0/24', '203.0.113.255', null, true],
    ['cidr', '203.0.113.0/24', '203.0.114.0', null, false],
    ['cidr', '203.0.113.7/32', '203.0.113.7', null, true],
    ['cidr', '2001:db8::/32', '2001:db8:ffff::1', null, true],
    ['cidr', '2001:db8::/32', '2001:db9::1', null, false],
    ['cidr', '0.0.0.0/0', '203.0.113.7', null, true],
    ['cidr', '0.0.0.0/0', '2001:db8::1', null, false],
    ['cidr', '::/0', '203.0.113.7', null, false],
    ['cidr', '::/0', '2001:db8::1', null, true],
    ['cidr', '::ffff:0:0/96', '203.0.113.7', null, true],
  ])('of the %s %j matches %s with the user %j: %j', (kind, value, ip, userId, meets) => {
    const { id } = ban(kind, value);
    expect(bans.find(ip, userId)?.id).toBe(meets ? id : undefined);
  });

  it('closes with 4501 a connection that is identified later as a banned user', () => {
    ban('user', 'ann');
    const [ann, bob] = [open('203.0.113.7'), open('203.0.113.7')];
    ann.identify({ userId: 'ann' });
    bob.identify({ userId: 'bob' });
    expect([ann.closing, bob.closing]).toEqual([{ code: 4501, reason: 'spam', by: 'operator' }, null]);
  });

  it('finds nothing without a ban', () => {
    expect([bans.find('203.0.113.7', 'ann'), bans.list()]).toEqual([undefined, []]);
  });

  it('is in force until its end on the monotonic clock, and no longer', () => {
    const { id } = ban('user', 'ann', 5000);
    time += 4999.5;
    expect([bans.find('203.0.113.7', 'ann')?.id, bans.list().length]).toEqual([id, 1]);
    time += 0.5;
    expect([bans.find('203.0.113.7', 'ann'), bans.list()]).toEqual([undefined, []]);
  });

  it('is removed from the list at its end, also without a lookup meanwhile', () => {
    ban('user', 'ann', 5000);
    time += 5000;
    expect(bans.list()).toEqual([]);
  });

  it('stays in force when the wall clock jumps', () => {
    const { id } = ban('user', 'ann', 5000);
    wallJump = 3_600_000;
    expect(bans.find('203.0.113.7', 'ann')?.id).toBe(id);
  });

  it.each<[string, BanKind, string, BanKind, string]>([
    ['an address', 'ip', '203.0.113.7', 'ip', '203.0.113.7'],
    ['an address in another spelling', 'ip', '203.0.113.7', 'ip', '::ffff:cb00:7107'],
    ['an address and its network', 'ip', '203.0.113.7', 'cidr', '203.0.113.7/32'],
    ['a network with host bits', 'cidr', '203.0.113.7/24', 'cidr', '203.0.113.0/24'],
    ['a mapped network', 'cidr', '203.0.113.0/24', 'cidr', '::ffff:203.0.113.9/120'],
    ['a user', 'user', 'ann', 'user', 'ann'],
  ])(
    'is one ban with the later end where the target is banned twice: %s',
    (_what, kind, value, otherKind, otherValue) => {
      const short = ban(kind, value, 1000);
      const long = ban(otherKind, otherValue, 2000);
      expect(long).toEqual({ ...short, expiresAt: new Date(WALL + 3000) });
      expect([ban(kind, value, 500), bans.list()]).toEqual([long, [long]]);
      time += 1000;
      expect([bans.list(), bans.find('203.0.113.7', 'ann')]).toEqual([[long], long]);
      expect([bans.lift(long.id), bans.list()]).toEqual([true, []]);
    },
  );

  it('shows the end in wall time, with the given values', () => {
    const { id } = ban('cidr', '203.0.113.0/24', 5000);
    expect(bans.list()).toEqual([
      { id, kind: 'cidr', value: '203.0.113.0/24', reason: 'spam', expiresAt: new Date(WALL + 6000) },
    ]);
  });

  it('cannot be lifted when it has ended', () => {
    const { id } = ban('user', 'ann', 5000);
    time += 5000;
    expect(bans.lift(id)).toBe(false);
  });

  it('is lifted once', () => {
    const [{ id }, other] = [ban('user', 'ann'), ban('user', 'bob')];
    expect([bans.lift(id), bans.lift(id), bans.lift('nothing')]).toEqual([true, false, false]);
    expect([bans.find('203.0.113.7', 'ann'), bans.find('203.0.113.7', 'bob')]).toEqual([undefined, other]);
  });

  it('closes with 4501 the connections that match, and no others', () => {
    const [ann, sameAddress, elsewhere, anonymous] = [
      open('203.0.113.7', 'ann'),
      open('203.0.113.7', 'bob'),
      open('198.51.100.1', 'ann'),
      open('198.51.100.2'),
    ];
    ban('user', 'ann');
    const closing = { code: 4501, reason: 'spam', by: 'operator' };
    expect([ann.closing, elsewhere.closing]).toEqual([closing, closing]);
    expect([sameAddress.closing, anonymous.closing]).toEqual([null, null]);
    ban('cidr', '198.51.100.0/24');
    expect([sameAddress.closing, anonymous.closing]).toEqual([null, closing]);
  });

  it('does not change the close of a connection that is already closing', () => {
    const ann = open('203.0.113.7', 'ann');
    ann.close(1000, 'bye');
    ban('user', 'ann');
    expect(ann.closing).toEqual({ code: 1000, reason: 'bye', by: 'server' });
  });

  it('has a default reason', () => {
    expect(bans.ban({ kind: 'user', value: 'ann', forMs: 1 }).reason).toBe('banned');
  });

  it.each<[string, BanKind, string, number, string]>([
    ['no time', 'user', 'ann', 0, 'forMs'],
    ['a time before now', 'user', 'ann', -1, 'forMs'],
    ['a part of a millisecond', 'user', 'ann', 0.5, 'forMs'],
    ['no number', 'user', 'ann', Number.NaN, 'forMs'],
    ['an infinite time', 'user', 'ann', Infinity, 'forMs'],
    ['an empty user', 'user', '', 1, 'value'],
    ['a network as an address', 'ip', '10.0.0.0/8', 1, 'value'],
    ['a name as an address', 'ip', 'example.com', 1, 'value'],
    ['an address with a port', 'ip', '10.0.0.1:80', 1, 'value'],
    ['nothing as an address', 'ip', '', 1, 'value'],
    ['an address as a network', 'cidr', '10.0.0.1', 1, 'value'],
    ['a network with too many bits', 'cidr', '10.0.0.0/33', 1, 'value'],
    ['a network without bits', 'cidr', '10.0.0.0/', 1, 'value'],
    ['nothing as a network', 'cidr', '', 1, 'value'],
  ])('rejects %s, without a ban and without a close', (_what, kind, value, forMs, key) => {
    const ann = open('10.0.0.1', 'ann');
    let thrown: unknown;
    try {
      bans.ban({ kind, value, forMs });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(HeartbeatError);
    expect(thrown).toMatchObject({ code: 'HEARTBEAT_BAD_BAN', problems: [{ key }] });
    expect([bans.list(), ann.closing]).toEqual([[], null]);
  });

  it('has an end that can be shown, for any duration', () => {
    const { expiresAt } = ban('user', 'ann', Number.MAX_SAFE_INTEGER);
    expect(Number.isNaN(expiresAt.getTime())).toBe(false);
  });

  describe('beside other nodes', () => {
    const notice = { id: 'b1', kind: 'user', value: 'u', reason: 'spam', forMs: 500 } as const;

    it('publishes the bans created and lifted here, and none from other nodes', () => {
      const published: unknown[] = [];
      events.stream.subscribe(event => published.push(unstamped(event)));
      const { id } = bans.ban({ kind: 'user', value: 'v', forMs: 1000 });
      bans.add(notice);
      bans.remove('b1');
      time += 400;
      bans.lift(id);
      bans.lift(id);
      expect(published).toEqual([
        { type: 'banned', ban: expect.objectContaining({ id, forMs: 1000 }) },
        { type: 'unbanned', id, forMs: 600 },
      ]);
    });

    it('adds a ban once, for the rest of its time, and closes the connections that match', () => {
      const { closing } = ((): Connection => {
        const connection = open('10.0.0.1', 'u');
        expect(bans.add(notice)).toBe(true);
        return connection;
      })();
      expect(closing).toMatchObject({ code: 4501, reason: 'spam' });
      time += 400;
      expect(bans.add(notice)).toBe(true);
      expect([...bans.records()]).toEqual([{ ...notice, forMs: 100 }]);
      time += 100;
      expect([[...bans.records()], bans.find('10.0.0.1', 'u')]).toEqual([[], undefined]);
    });

    it.each([
      { ...notice, kind: 'ip' as const },
      { ...notice, kind: 'cidr' as const, value: '10.0.0.0/33' },
      { ...notice, value: '' },
      { ...notice, forMs: 0 },
    ])('does not add an invalid ban: %j', wrong => {
      expect([bans.add(wrong), bans.list()]).toEqual([false, []]);
    });
  });
});
