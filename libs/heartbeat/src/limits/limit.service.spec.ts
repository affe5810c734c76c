import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import { HeartbeatError, type HeartbeatEventOf, type HeartbeatOptions } from 'nestjs-heartbeat';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { settled, tryOpen } from '../../../../test/support/servers/slot-clients.js';

Logger.overrideLogger(false);

const ALL = { node: 'all' } as const;

/** An entry of Redis, and its text. */
const entry = (key: string, text: string) => ({ key, stamp: 1, forMs: null, text });
const override = (value: unknown) => JSON.stringify({ value, by: 'x', forMs: null });

describe('LimitService', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;

  async function start(...options: HeartbeatOptions[]): Promise<void> {
    world = new ClusterWorld();
    for (const each of options) await world.add(each);
    [one, two] = world.nodes as [WorldNode, WorldNode];
    await world.renewAll();
  }

  const maxPerIp = () => world.nodes.map(({ state }) => state.limits.maxPerIp);

  beforeEach(() => start({ limits: { maxPerIp: 20 } }, { limits: { maxPerIp: 20 } }));
  afterEach(() => world.end());

  it('changes this node, and returns the limits before and after', async () => {
    const { endsAt, before, nodes } = await one.limits.service.change({ maxPerIp: 5 }, { forMs: 1000 });
    expect([endsAt, before.maxPerIp]).toEqual([new Date(world.now + 1000), 20]);
    expect(nodes).toEqual([
      { id: one.id, status: 'ok', problems: [], warnings: [], limits: { ...before, maxPerIp: 5 } },
    ]);
    expect(maxPerIp()).toEqual([5, 20]);
    world.now += 1000;
    one.limits.inForce.expire();
    expect([maxPerIp(), one.limits.service.limits.maxPerIp]).toEqual([[20, 20], 20]);
  });

  it.each(['id', 'name'])('changes another node by its %s', async by => {
    const node = by === 'id' ? two.id : two.state.name;
    const { nodes } = await one.limits.service.change({ maxPerIp: 5 }, { node });
    expect([nodes.map(({ id }) => id), maxPerIp()]).toEqual([[two.id], [20, 5]]);
  });

  it.each<[string, object, object, string]>([
    ['an unknown node', { maxPerIp: 5 }, { node: 'nowhere' }, 'node'],
    ['an impossible value', { maxPerIp: -5 }, ALL, 'maxPerIp'],
    ['an impossible pair', { refuseAbove: 0.99 }, {}, 'refuseAbove'],
    ['an impossible pair of another node', { refuseAbove: 0.99 }, { node: 'node2' }, 'refuseAbove'],
    ['an impossible pair of all nodes', { shedAbove: 0.5 }, ALL, 'refuseAbove'],
  ])('refuses %s, and changes nothing', async (_what, limits, options, key) => {
    const before = world.nodes.map(({ state }) => state.limits);
    const error: unknown = await one.limits.service.change(limits, options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HeartbeatError);
    expect(error).toMatchObject({ code: 'HEARTBEAT_BAD_LIMITS', problems: [{ key }] });
    expect(world.nodes.map(({ state }) => state.limits)).toEqual(before);
    expect(world.store.limits.entries.size).toBe(0);
  });

  it('refuses a pair that will be impossible when an override ends', async () => {
    await one.limits.service.change({ refuseAbove: 0.4 }, { forMs: 50 });
    await expect(one.limits.service.change({ shedAbove: 0.5 }, { forMs: 100 })).rejects.toMatchObject({
      problems: [{ key: 'refuseAbove', rule: expect.stringContaining('in 50 ms') }],
    });
    await one.limits.service.change({ refuseAbove: 0.4, shedAbove: 0.5 }, { forMs: 100 });
    expect(one.state.limits).toMatchObject({ refuseAbove: 0.4, shedAbove: 0.5 });
  });

  it('warns of more connections than files may be open', async () => {
    two.state.socketRoom = 900;
    const { nodes } = await one.limits.service.change({ maxConnections: 1000 }, ALL);
    expect(nodes.map(({ warnings }) => warnings.length)).toEqual([0, 1]);
    expect(nodes[1]!.warnings[0]).toContain('leaves 900 sockets');
  });

  describe('for all nodes', () => {
    it('changes each, also one that starts later, and publishes an event with the actor', async () => {
      const events: HeartbeatEventOf<'limits-changed'>[] = [];
      two.events.ofType('limits-changed').subscribe(event => events.push(event));
      const { nodes } = await one.limits.service.change(
        { maxPerIp: 5, shedAbove: 0.95 },
        { ...ALL, by: 'ann', forMs: 60_000 },
      );
      expect(nodes.map(({ id, status, limits }) => [id, status, limits?.maxPerIp])).toEqual([
        [one.id, 'ok', 5],
        [two.id, 'ok', 5],
      ]);
      const late = await world.add();
      await late.limits.shared.settled();
      expect([maxPerIp(), late.state.limits.shedAbove]).toEqual([[5, 5, 5], 0.95]);
      expect(events).toMatchObject([
        {
          limits: { maxPerIp: { before: 20, after: 5 }, shedAbove: { before: 0.97, after: 0.95 } },
          by: 'ann',
          forMs: 60_000,
          scope: 'all',
        },
      ]);
      world.now += 60_000;
      for (const node of world.nodes) node.limits.inForce.expire();
      expect(maxPerIp()).toEqual([20, 20, 0]);
    });

    it('has the later of two changes, and a removal for good', async () => {
      await one.limits.service.change({ maxPerIp: 5 }, ALL);
      await two.limits.service.change({ maxPerIp: 7 }, ALL);
      expect(maxPerIp()).toEqual([7, 7]);
      await one.limits.service.change({ maxPerIp: null }, ALL);
      await world.renewAll();
      await settled();
      expect(maxPerIp()).toEqual([20, 20]);
    });

    it('leaves the override of a node before that of all', async () => {
      await two.limits.service.change({ maxPerIp: 9 });
      const { nodes } = await one.limits.service.change({ maxPerIp: 5 }, ALL);
      expect(nodes.map(({ limits }) => limits?.maxPerIp)).toEqual([5, 9]);
      await two.limits.service.change({ maxPerIp: null });
      expect(maxPerIp()).toEqual([5, 5]);
    });

    it('names a node whose options make it impossible, which takes the other limits', async () => {
      const third = await world.add({ load: { refuseAbove: 0.5, shedAbove: 0.6 } });
      await world.renewAll();
      const { nodes } = await one.limits.service.change({ refuseAbove: 0.8, maxPerIp: 5 }, ALL);
      expect(nodes.map(({ status }) => status)).toEqual(['ok', 'ok', 'rejected']);
      expect(nodes[2]!.problems).toMatchObject([{ key: 'refuseAbove', rule: expect.stringContaining('0.6') }]);
      expect(third.state.limits).toMatchObject({ refuseAbove: 0.5, shedAbove: 0.6, maxPerIp: 5 });
    });

    it('names a node that does not reply, which takes the change with its lease', async () => {
      two.repliesTo('nothing', { isFailed: false, body: null });
      const change = one.limits.service.change({ maxPerIp: 5 }, { ...ALL, forMs: 60_000 });
      await settled();
      expect(maxPerIp()).toEqual([5, 20]);
      const { nodes } = await change;
      expect(nodes.map(({ status, limits }) => [status, limits?.maxPerIp])).toEqual([
        ['ok', 5],
        ['timeout', undefined],
      ]);
      await two.link.renew();
      await settled();
      expect(maxPerIp()).toEqual([5, 5]);
    });

    it('changes this node while Redis is lost, and all on its return', async () => {
      await one.cluster.nodes();
      one.bus.isCut = two.bus.isCut = true;
      await world.renewAll();
      const { nodes } = await one.limits.service.change({ maxPerIp: 5 }, ALL);
      expect([nodes.map(({ status }) => status), maxPerIp()]).toEqual([
        ['ok', 'timeout'],
        [5, 20],
      ]);
      one.bus.isCut = two.bus.isCut = false;
      await world.renewAll();
      await settled();
      await world.renewAll();
      await settled();
      expect(maxPerIp()).toEqual([5, 5]);
    });

    it('stays in force in a Redis that was emptied, and ends at its time', async () => {
      await one.limits.service.change({ maxPerIp: 5 }, { ...ALL, forMs: 10_000 });
      world.store.empty();
      world.now += 4000;
      await world.renewAll();
      await settled();
      const late = await world.add({ limits: { maxPerIp: 20 } });
      await late.limits.shared.settled();
      expect(maxPerIp()).toEqual([5, 5, 5]);
      world.now += 6000;
      for (const node of world.nodes) node.limits.inForce.expire();
      expect(maxPerIp()).toEqual([20, 20, 20]);
    });

    it('takes no impossible value of Redis, and counts it', async () => {
      await one.bus.limits.exchange([
        entry('maxPerIp', override(-1)),
        entry('maxInFlight', override(1)),
        entry('maxPerUser', 'no JSON'),
        entry('maxConnections', override(7)),
      ]);
      await world.renewAll();
      await settled();
      expect(one.state.limits).toMatchObject({ maxPerIp: 20, maxPerUser: 0, maxConnections: 7 });
      expect(one.errors['message']).toBe(3);
    });

    it('applies a limit for users only after all nodes share their counts', async () => {
      for (const node of [one, two, two]) node.open({ userId: 'u' });
      await one.limits.service.change({ maxPerUser: 4 }, ALL);
      const all = await Promise.all([one, two, one, two].map(node => tryOpen(node, 'u')));
      expect(all.filter(Boolean)).toHaveLength(1);
      await two.limits.service.change({ maxPerUser: 0 }, ALL);
      await settled();
      expect([await tryOpen(one, 'u'), world.store.users.size]).toEqual([expect.anything(), 0]);
    });
  });
});
