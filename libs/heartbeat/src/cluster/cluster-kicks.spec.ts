import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { until } from '../../../../test/support/assert/until.js';
import type { ConnectionFilter } from '../connection/listing/connection-filter.js';

Logger.overrideLogger(false);

describe('a kick with a ban', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;
  let codes: number[];

  beforeEach(async () => {
    world = new ClusterWorld();
    [one, two] = [await world.add(), await world.add({ cluster: { requestTimeoutMs: 200 } })];
    codes = [];
    for (const { events } of world.nodes) events.ofType('closed').subscribe(({ code }) => codes.push(code));
    await world.renewAll();
  });
  afterEach(() => world.end());

  it.each([
    ['on its node', () => two],
    ['on another node', () => one],
  ])('bans the user after its kick, asked %s', async (_where, asked) => {
    const { id } = two.open({ userId: 'ada' });
    two.open({ userId: 'ada' });
    two.open({ userId: 'bob' });
    expect(await asked().cluster.kick(id, { banForMs: 60_000, reason: 'abuse' })).toBe('closing');
    await until(() => codes.length === 2);
    expect(codes).toEqual([4500, 4501]);
    expect(two.bans.list()).toMatchObject([{ kind: 'user', value: 'ada', reason: 'abuse' }]);
    expect(one.trail.filter(({ what }) => what === 'ban')).toEqual([]);
  });

  it('bans the address of an anonymous client, and none where there is no address', async () => {
    const [first, second] = [two.open({ ip: '10.9.9.9' }), two.open({ ip: 'unix:' })];
    for (const { id } of [first, second]) expect(await one.cluster.kick(id, { banForMs: 60_000 })).toBe('closing');
    expect(two.bans.list().map(({ kind, value }) => [kind, value])).toEqual([['ip', '10.9.9.9']]);
  });

  it('bans also where the close had begun before, and not where there is no connection', async () => {
    const { id, connection } = two.open({ userId: 'ada' });
    connection.channel.shut = () => undefined;
    connection.close();
    expect(await one.cluster.kick(id, { banForMs: 60_000 })).toBe('already-closing');
    expect(two.bans.list()).toMatchObject([{ value: 'ada' }]);
    two.connections.closed(connection, 1000, '');
    expect(await one.cluster.kick(id, { banForMs: 90_000 })).toBe('not-found');
    expect(two.bans.list()).toHaveLength(1);
  });

  it('is not confirmed by a node of an older version, which would kick without the ban', async () => {
    const { id, connection } = one.open({ userId: 'ada' });
    one.repliesTo('kick', { isFailed: false, body: 'closing' });
    expect(await two.cluster.kick(id, { banForMs: 60_000 })).toBe('unconfirmed');
    expect(connection.closing).toBeNull();
  });

  it.each([0, -1, 1.5, Number.NaN, Infinity, '5'])('rejects a ban for %s, and kicks nothing', async banForMs => {
    const { id, connection } = one.open({ userId: 'ada' });
    const kick = two.cluster.kick(id, { banForMs: banForMs as number });
    await expect(kick).rejects.toMatchObject({ code: 'HEARTBEAT_BAD_QUERY', problems: [{ key: 'banForMs' }] });
    await expect(one.cluster.kick(id, { banForMs: 1, reconnect: true })).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_QUERY',
    });
    expect([connection.closing, one.bans.list()]).toEqual([null, []]);
  });
});

describe('kickAll', () => {
  it.each<[string, unknown]>([
    ['no condition', {}],
    ['nothing', undefined],
    ['null', null],
    ['no label', { labels: {} }],
    ['an empty user', { user: '' }],
    ['an undefined user', { user: undefined }],
    ['an undefined label', { labels: { team: undefined } }],
    ['an undefined condition beside another', { path: '/ws', user: undefined }],
    ['an unknown condition', { usr: 'ada' }],
    ['a list', []],
    ['a text', 'ada'],
  ])('rejects %s, and kicks no connection of any node', async (_what, filter) => {
    const world = new ClusterWorld();
    const [one, two] = [await world.add(), await world.add()];
    await world.renewAll();
    const opened = [one.open({ userId: 'ada', labels: { team: 'red' } }), two.open({ userId: '' })];
    await expect(one.cluster.kickAll(filter as ConnectionFilter)).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_QUERY',
    });
    expect(opened.map(({ connection }) => connection.closing)).toEqual([null, null]);
    await world.end();
  });
});
