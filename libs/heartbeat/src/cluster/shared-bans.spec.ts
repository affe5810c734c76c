import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { until } from '../../../../test/support/assert/until.js';

Logger.overrideLogger(false);

const settled = () => new Promise(resolve => setTimeout(resolve, 5));
const spam = { kind: 'user', value: 'u', forMs: 60_000, reason: 'spam' } as const;

describe('SharedBans', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;
  const known = () => world.nodes.map(({ bans }) => bans.list().map(({ value }) => value));

  beforeEach(async () => {
    world = new ClusterWorld();
    [one, two] = [await world.add(), await world.add()];
    await world.renewAll();
  });
  afterEach(() => world.end());

  it('bans on every node, with the same id and the same end, and closes the connections that match', async () => {
    const { connection } = two.open({ userId: 'u' });
    const ban = one.bans.ban(spam);
    await settled();
    expect(connection.closing).toEqual({ code: 4501, reason: 'spam', by: 'operator' });
    expect(two.bans.list()).toEqual([ban]);
    expect(two.bans.find('10.0.0.1', 'u')).toMatchObject({ reason: 'spam' });
  });

  it('is one ban with the later end where it is extended on another node', async () => {
    const { id } = one.bans.ban({ ...spam, kind: 'cidr', value: '10.0.0.5/8' });
    await settled();
    const longer = two.bans.ban({ ...spam, kind: 'cidr', value: '::ffff:10.0.0.0/104', forMs: 600_000 });
    await settled();
    expect(longer.id).toBe(id);
    expect(world.nodes.map(({ bans }) => bans.list())).toEqual([[longer], [longer]]);
    expect(one.bans.lift(id)).toBe(true);
    await settled();
    expect(known()).toEqual([[], []]);
  });

  it('is one ban where two nodes ban the same target independently, and is lifted as one', async () => {
    one.bus.isCut = true;
    const [short, long] = [one.bans.ban(spam), two.bans.ban({ ...spam, forMs: 90_000, reason: 'more' })];
    one.bus.isCut = false;
    await one.link.renew();
    await settled();
    const shown = one.bans.list();
    expect(shown).toEqual([{ ...long, id: [short.id, long.id].toSorted()[0] }]);
    expect(two.bans.list()).toEqual(shown);
    expect(two.bans.lift(short.id)).toBe(true);
    await settled();
    expect(known()).toEqual([[], []]);
  });

  it('stays in force where it was extended here while another node lifted it', async () => {
    one.bans.ban(spam);
    await settled();
    one.bus.isCut = true;
    const { id } = one.bans.ban({ ...spam, forMs: 600_000 });
    two.bans.lift(id);
    await settled();
    one.bus.isCut = false;
    await one.link.renew();
    await settled();
    expect(known()).toEqual([['u'], ['u']]);
    expect(two.bans.list()[0]!.id).not.toBe(id);
  });

  it('is fetched in pages for any number of bans, and continues where a page failed', async () => {
    for (let n = 0; n < 1000; n++) one.bans.ban({ ...spam, value: `user ${n}` });
    await until(() => two.bans.list().length === 1000);
    const three = await world.add();
    await until(() => three.bans.list().length === 1000);
    expect(three.bus.calls['bans']).toBeGreaterThanOrEqual(5);
    const four = await world.add();
    four.bus.failsBans = 3;
    while (four.bus.failsBans > 0) {
      await four.link.renew();
      await settled();
    }
    await four.link.renew();
    await until(() => four.bans.list().length === 1000);
    expect([four.state.clusterLost, four.errors['ban']! > 0]).toEqual([false, true]);
  });

  it('lifts on every node', async () => {
    const { id } = one.bans.ban(spam);
    await settled();
    expect(two.bans.lift(id)).toBe(true);
    await settled();
    expect(known()).toEqual([[], []]);
  });

  it('ends on every node by itself', async () => {
    one.bans.ban({ ...spam, forMs: 500 });
    await settled();
    world.now += 501;
    expect(known()).toEqual([[], []]);
  });

  it('is known to a node that started later, and to one that missed the message', async () => {
    const listener = world.store.listeners.get(two.id)!;
    world.store.listeners.delete(two.id);
    one.bans.ban(spam);
    await settled();
    expect(known()).toEqual([['u'], []]);
    world.store.listeners.set(two.id, listener);
    await two.link.renew();
    await world.add();
    await settled();
    expect(known()).toEqual([['u'], ['u'], ['u']]);
  });

  it('costs nothing while nothing changes', async () => {
    one.bans.ban(spam);
    await settled();
    const before = { ...one.bus.calls };
    await world.renewAll();
    await settled();
    expect(one.bus.calls).toEqual({ ...before, renew: before['renew']! + 1 });
  });

  it('stays in force from memory while Redis is lost, and changes wait until it has recovered', async () => {
    const { id } = one.bans.ban({ ...spam, value: 'before' });
    await settled();
    one.bus.isCut = true;
    one.bans.ban({ ...spam, value: 'meanwhile' });
    one.bans.lift(id);
    await settled();
    expect(known()).toEqual([['meanwhile'], ['before']]);
    world.now += 1000;
    one.bus.isCut = false;
    await one.link.renew();
    await settled();
    expect(known()).toEqual([['meanwhile'], ['meanwhile']]);
    expect(two.bans.list()[0]!.expiresAt).toEqual(one.bans.list()[0]!.expiresAt);
  });

  it('is restored in a Redis that was emptied', async () => {
    one.bans.ban(spam);
    await settled();
    world.store.empty();
    await two.link.renew();
    await settled();
    await world.add();
    await settled();
    expect(known()).toEqual([['u'], ['u'], ['u']]);
  });

  it('is restored also where another ban came first, so that the version of the bans seems old and not reset', async () => {
    for (const value of ['a', 'b', 'c']) one.bans.ban({ ...spam, value });
    await settled();
    world.store.empty();
    two.bans.ban(spam);
    await settled();
    await world.renewAll();
    await world.add();
    await settled();
    expect(known().map(values => values.toSorted())).toEqual(world.nodes.map(() => ['a', 'b', 'c', 'u']));
  });

  it.each([
    ['the node that banned first', [0, 1]],
    ['the node that received it first', [1, 0]],
  ])(
    'is restored also where the number of new bans equals the known version, and the first to notice is %s',
    async (_, order) => {
      one.bans.ban({ ...spam, value: 'before' });
      await settled();
      const listener = world.store.listeners.get(two.id)!;
      world.store.listeners.delete(two.id);
      one.bus.isCut = two.bus.isCut = true;
      one.bans.ban({ ...spam, value: 'meanwhile' });
      await settled();
      world.store.empty();
      one.bus.isCut = two.bus.isCut = false;
      for (const place of order) {
        await world.nodes[place]!.link.renew();
        await settled();
      }
      world.store.listeners.set(two.id, listener);
      await world.renewAll();
      await settled();
      expect(known().map(values => values.toSorted())).toEqual(world.nodes.map(() => ['before', 'meanwhile']));
    },
  );

  it('is not restored after it was lifted in an emptied Redis', async () => {
    const { id } = one.bans.ban(spam);
    await settled();
    const listener = world.store.listeners.get(two.id)!;
    world.store.listeners.delete(two.id);
    world.store.empty();
    world.now += 1000;
    one.bans.lift(id);
    await settled();
    world.store.listeners.set(two.id, listener);
    await two.link.renew();
    await one.link.renew();
    await settled();
    expect(known()).toEqual([[], []]);
    world.now += 58_999;
    expect(world.store.bans.get(id)?.endsAt).toBeGreaterThan(world.now);
    world.now += 1;
    expect((await one.bus.bans(0, 500)).dropped).toEqual([]);
  });

  it('is restored also where Redis was emptied within a second, and a new ban made the version equal', async () => {
    one.bans.ban({ ...spam, value: 'before' });
    await settled();
    world.store.empty();
    one.bans.ban({ ...spam, value: 'new' });
    await settled();
    await world.renewAll();
    await settled();
    expect(known().map(values => values.toSorted())).toEqual(world.nodes.map(() => ['before', 'new']));
  });

  it.each([
    ['no ban', 'hello'],
    ['of an unknown kind', '{"kind":"all","value":"u","reason":"r"}'],
    ['of an invalid address', '{"kind":"ip","value":"nowhere","reason":"r"}'],
    ['of an invalid network', '{"kind":"cidr","value":"10.0.0.0/99","reason":"r"}'],
  ])('counts and drops an entry that is %s', async (_, text) => {
    await one.bus.putBan({ id: 'x', text, forMs: 5000 });
    await two.link.renew();
    await settled();
    expect([two.bans.list(), two.errors['message']]).toEqual([[], 1]);
  });
});
