import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { until } from '../../../../test/support/assert/until.js';
import { ClusterWorld, type OpenConnection, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import type { KickJob } from './kick.types.js';

Logger.overrideLogger(false);

const ADA = { filter: { user: 'ada' } };
const ids = (all: readonly OpenConnection[]) => all.map(({ id }) => id);
const OPS = { who: 'ops', role: 'operator', from: '10.0.0.9' } as const;

describe('KickService', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;
  let three: WorldNode;
  /** The kicks of each connection, by id. */
  let kicks: Map<string, number[]>;

  beforeEach(async () => {
    world = new ClusterWorld();
    [one, two, three] = [await add(), await add(), await add()];
    kicks = new Map();
    for (const { events } of world.nodes) {
      events.ofType('kicked').subscribe(({ id, code }) => kicks.set(id, [...(kicks.get(id) ?? []), code]));
    }
    await world.renewAll();
  });
  afterEach(() => world.end());

  const add = () => world.add({ cluster: { requestTimeoutMs: 200 } });
  const openAll = (each: number, userId = 'ada') =>
    world.nodes.map(node => Array.from({ length: each }, () => node.open({ userId })));

  /** Lets time pass until the job has ended, as seen from a node. */
  async function ended(job: string, from = one): Promise<KickJob> {
    let view: KickJob | undefined;
    await until(
      async () => {
        world.now += 50;
        for (const { link, bus } of world.nodes) if (!bus.isCut) await link.renew();
        view = await from.kicks.job(job);
        return view?.endedAt != null;
      },
      { message: () => `the end of ${JSON.stringify(view)}` },
    );
    return view!;
  }

  async function started(token: string, from = one, options = {}): Promise<string> {
    const start = await from.kicks.start(token, options, OPS);
    if (start.outcome !== 'started') throw new Error(start.outcome);
    return start.job;
  }

  it('shows in a dry run what would be kicked, and kicks none', async () => {
    openAll(15);
    openAll(5, 'bob');
    const plan = await two.kicks.plan(ADA);
    expect(plan).toMatchObject({ matched: 45, share: 0.75, silent: [], sample: { length: 10 } });
    expect(plan.byNode).toEqual(expect.arrayContaining(world.nodes.map(({ id }) => ({ node: id, matched: 15 }))));
    expect(new Set(plan.sample.map(({ node }) => node)).size).toBe(3);
    expect(plan.expiresAt.getTime()).toBe(world.now + 300_000);
    expect([kicks.size, world.nodes.flatMap(({ trail }) => trail)]).toEqual([0, []]);
  });

  it('kicks the connections of the dry run, and no other', async () => {
    const all = openAll(4).flat();
    openAll(2, 'bob');
    const { token } = await one.kicks.plan(ADA);
    const later = openAll(1).flat();
    const [left, closing] = all as [OpenConnection, OpenConnection];
    left.connection.close();
    await until(() => one.connections.get(left.id) === undefined);
    closing.connection.channel.shut = () => undefined;
    closing.connection.close();
    const view = await ended(await started(token, two, { reason: 'enough' }), three);
    expect(view).toMatchObject({ state: 'done', matched: 12, closed: 10, gone: 2, failed: 0, lost: 0, bans: 0 });
    expect([...kicks.keys()].toSorted()).toEqual(ids(all.slice(2)).toSorted());
    expect([...kicks.values()].flat()).toEqual(Array.from({ length: 10 }, () => 4500));
    expect(later.every(({ connection }) => connection.closing === null)).toBe(true);
    one.connections.closed(closing.connection, 1000, '');
  });

  it('takes ids of any node, and ignores those that are none', async () => {
    const [a = [], b = []] = openAll(2);
    const wanted = [a[0]!.id, b[1]!.id, b[1]!.id, 'x', `${three.id}.0000zzzz`, 'gone-1.00000001'];
    const { matched, token } = await three.kicks.plan({ ids: wanted });
    expect(matched).toBe(2);
    expect(await ended(await started(token))).toMatchObject({ closed: 2, matched: 2 });
    expect([...kicks.keys()].toSorted()).toEqual([a[0]!.id, b[1]!.id].toSorted());
  });

  it('takes a token once, whichever nodes get it at once, and names its job to the others', async () => {
    openAll(2);
    const { token } = await one.kicks.plan(ADA);
    const starts = await Promise.all([one, two, three, one].map(node => node.kicks.start(token)));
    const [job] = starts.flatMap(start => (start.outcome === 'started' ? [start.job] : []));
    expect(starts.filter(({ outcome }) => outcome === 'started')).toHaveLength(1);
    expect(starts.filter(({ outcome }) => outcome === 'already-started')).toEqual(
      [1, 2, 3].map(() => ({ outcome: 'already-started', job })),
    );
    await ended(job!);
    expect(await two.kicks.start(token)).toEqual({ outcome: 'already-started', job });
    expect((await one.kicks.job(job!))?.state).toBe('done');
    expect([...kicks.values()].map(codes => codes.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('knows no token that has expired or never was', async () => {
    openAll(1);
    const { token } = await one.kicks.plan(ADA);
    world.now += 300_001;
    expect(await one.kicks.start(token)).toEqual({ outcome: 'unknown-token' });
    expect(await two.kicks.start('x')).toEqual({ outcome: 'unknown-token' });
    expect(two.trail).toMatchObject([{ who: 'application', what: 'bulk-kick', result: 'not-found' }]);
    expect([await one.kicks.job('x'), await one.kicks.stop('0'.repeat(24))]).toEqual([undefined, undefined]);
    expect(kicks.size).toBe(0);
  });

  it('merges the options of both requests, and keeps the token where they contradict', async () => {
    openAll(1);
    const { token } = await one.kicks.plan(ADA, { reconnect: true, reason: 'moving' });
    await expect(two.kicks.start(token, { banForMs: 1000 })).rejects.toMatchObject({ code: 'HEARTBEAT_BAD_QUERY' });
    const view = await ended(await started(token, two, { perSecond: 7 }));
    expect(view).toMatchObject({ closed: 3, perSecond: 7 });
    expect([...kicks.values()].flat()).toEqual([4005, 4005, 4005]);
  });

  it('paces the kicks over the nodes by their connections', async () => {
    openAll(100);
    for (let n = 0; n < 100; n++) one.open({ userId: 'ada' });
    const { token } = await one.kicks.plan(ADA);
    const job = await started(token, one, { perSecond: 400 });
    await until(() => kicks.size === 3);
    world.now += 250;
    await until(() => kicks.size === 103);
    const own = [...kicks.keys()].filter(id => id.startsWith(one.id));
    expect(own).toHaveLength(51);
    await ended(job);
  });

  it('stops before the next kick, on every node', async () => {
    openAll(10);
    const { token } = await one.kicks.plan(ADA);
    const job = await started(token, one, { perSecond: 1 });
    await until(() => kicks.size === 3);
    expect(await two.kicks.stop(job, OPS)).toMatchObject({ state: 'stopped' });
    const view = await ended(job);
    expect(view).toMatchObject({ state: 'stopped', closed: 3, gone: 0 });
    expect(view.nodes.map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
    world.now += 10_000;
    expect((await three.kicks.stop(job))?.state).toBe('stopped');
    expect(kicks.size).toBe(3);
    expect(two.trail.filter(({ what }) => what === 'stop-bulk-kick')).toMatchObject([
      { ...OPS, target: job, result: 'done' },
    ]);
  });

  it('writes one entry about the start, and one about the end with its numbers', async () => {
    openAll(2);
    const { token } = await one.kicks.plan(ADA);
    const job = await started(token, two, { reason: 'enough' });
    await ended(job);
    await until(() => world.nodes.flatMap(({ trail }) => trail).length === 2);
    const [start, end] = world.nodes.flatMap(({ trail }) => trail).toSorted((a, b) => a.what.length - b.what.length);
    const parameters = { filter: { user: 'ada' }, reason: 'enough', matched: 6 };
    expect(start).toEqual({ ...OPS, what: 'bulk-kick', target: job, result: 'done', parameters });
    const after = { state: 'done', matched: 6, closed: 6, gone: 0, failed: 0, lost: 0, bans: 0 };
    expect(end).toEqual({ ...OPS, what: 'bulk-kick-end', target: job, result: 'done', after });
  });

  it('counts kicks that throw, and goes on', async () => {
    const [[first] = []] = openAll(3);
    first!.connection.channel.shut = () => {
      throw new Error('broken');
    };
    const { token } = await one.kicks.plan(ADA);
    expect(await ended(await started(token))).toMatchObject({ closed: 8, failed: 1, state: 'done' });
    one.connections.closed(first!.connection, 1006, '');
  });

  describe('with a ban', () => {
    it('gives the kicked 4500, and bans each user once, and anonymous clients by address', async () => {
      const codes: number[] = [];
      for (const { events } of world.nodes) events.ofType('closed').subscribe(({ code }) => codes.push(code));
      const bound = [
        ...['ada', 'bob', 'ada', 'bob', 'ada'].map(userId => one.open({ userId })),
        one.open({ ip: '10.9.9.9' }),
        one.open({ ip: '10.9.9.9' }),
      ];
      const { token } = await one.kicks.plan({ ids: ids(bound) });
      one.open({ userId: 'ada' });
      one.open({ ip: '10.9.9.8' });
      const view = await ended(await started(token, two, { banForMs: 60_000, reason: 'abuse' }));
      expect(view).toMatchObject({ closed: 7, gone: 0, bans: 3 });
      await until(() => codes.length === 8);
      expect([codes.filter(code => code === 4500).length, codes.filter(code => code === 4501).length]).toEqual([7, 1]);
      expect(one.bans.list().map(({ kind, value, reason }) => [kind, value, reason])).toEqual([
        ['user', 'ada', 'abuse'],
        ['user', 'bob', 'abuse'],
        ['ip', '10.9.9.9', 'abuse'],
      ]);
    });

    it('bans no client of which a connection is left after a stop', async () => {
      for (let n = 0; n < 3; n++) one.open({ userId: 'ada' });
      const { token } = await one.kicks.plan(ADA);
      const job = await started(token, one, { banForMs: 60_000, perSecond: 1 });
      await until(() => kicks.size === 1);
      await one.kicks.stop(job);
      await ended(job);
      expect([one.bans.list(), one.connections.count]).toEqual([[], 2]);
    });
  });

  const kicked = ({ id }: WorldNode) => [...kicks.keys()].filter(kickedId => kickedId.startsWith(id)).length;
  /** The node is killed: it neither sends nor receives, and its lease ends. */
  async function kill(node: WorldNode): Promise<void> {
    world.store.listeners.delete(node.id);
    node.bus.isCut = true;
    for (let second = 0; second < 7; second++) {
      world.now += 1000;
      for (const other of world.nodes) if (other !== node) await other.link.renew();
    }
  }
  /** As each second does by itself. */
  const read = (job: string) => Promise.all(world.nodes.map(node => node.ownKicks.read(job)));

  describe('under failure', () => {
    it('names silent nodes of a dry run, and leaves them out', async () => {
      openAll(2);
      const listener = world.store.listeners.get(three.id)!;
      world.store.listeners.delete(three.id);
      const plan = await one.kicks.plan(ADA);
      world.store.listeners.set(three.id, listener);
      expect([plan.matched, plan.silent, plan.share]).toEqual([4, [three.id], 1]);
      const view = await ended(await started(plan.token));
      expect(view.nodes.map(({ node }) => node)).toEqual([one.id, two.id]);
      expect(kicks.size).toBe(4);
    });

    it('names a node that dies with the rest of its share', async () => {
      openAll(5);
      const { token } = await one.kicks.plan(ADA);
      const job = await started(token, one, { perSecond: 3 });
      await until(() => kicks.size === 3);
      await read(job);
      await kill(three);
      const view = await ended(job, two);
      expect(view).toMatchObject({ state: 'done', closed: 11, lost: 4 });
      expect(view.nodes.map(({ state, closed, lost }) => [state, closed, lost])).toEqual([
        ['done', 5, 0],
        ['done', 5, 0],
        ['lost', 1, 4],
      ]);
    });

    it('kicks no more on a node that was frozen until its lease had ended', async () => {
      openAll(5);
      const { token } = await one.kicks.plan(ADA);
      const job = await started(token, one, { perSecond: 3 });
      await until(() => kicks.size === 3);
      await read(job);
      const listener = world.store.listeners.get(three.id)!;
      await kill(three);
      const view = await ended(job);
      expect(view.nodes[2]).toMatchObject({ node: three.id, state: 'lost' });
      three.bus.isCut = false;
      world.store.listeners.set(three.id, listener);
      await three.link.renew();
      await three.ownKicks.read(job);
      const before = kicked(three);
      for (let n = 0; n < 3; n++) three.open({ userId: 'bob' });
      world.now += 60_000;
      await ended(await started((await three.kicks.plan({ filter: { user: 'bob' } })).token, three), three);
      expect(kicked(three) - 3).toBe(before);
      expect(three.trail.filter(({ what, target }) => what === 'bulk-kick-end' && target === job)).toEqual([]);
    });

    it('goes on when the asked node dies, with one entry about its end', async () => {
      openAll(5);
      const { token } = await one.kicks.plan(ADA);
      const job = await started(token, one, { perSecond: 3 });
      await until(() => kicks.size === 3);
      await kill(one);
      const view = await ended(job, two);
      expect(view.nodes.map(({ state, lost }) => [state, lost > 0])).toEqual([
        ['lost', true],
        ['done', false],
        ['done', false],
      ]);
      expect([kicked(two), kicked(three)]).toEqual([5, 5]);
      const ends = world.nodes.flatMap(({ trail }) => trail.filter(({ what }) => what === 'bulk-kick-end'));
      expect(ends).toMatchObject([{ ...OPS, target: job }]);
    });

    it('starts and stops without the messages about it', async () => {
      openAll(5);
      const { token } = await one.kicks.plan(ADA);
      const { listeners } = world.store;
      const [second, third] = [listeners.get(two.id)!, listeners.get(three.id)!];
      listeners.delete(two.id);
      listeners.delete(three.id);
      const job = await started(token, one, { perSecond: 3 });
      expect(await one.kicks.job(job)).toMatchObject({ state: 'running', nodes: { 1: { state: 'waiting' } } });
      await read(job);
      await until(() => kicks.size === 3);
      await one.kicks.stop(job);
      await read(job);
      expect(await ended(job)).toMatchObject({ state: 'stopped', closed: 3 });
      listeners.set(two.id, second);
      listeners.set(three.id, third);
    });

    it('goes on while Redis is lost, kicks none twice, and has its result afterwards', async () => {
      openAll(5);
      const { token } = await one.kicks.plan(ADA);
      const job = await started(token, one, { perSecond: 3 });
      await until(() => kicks.size === 3);
      for (const { bus } of world.nodes) bus.isCut = true;
      await Promise.all(world.nodes.map(({ link }) => link.renew()));
      await until(() => ((world.now += 100), kicks.size === 15));
      await read(job);
      expect(await one.kicks.job(job)).toMatchObject({ state: 'running', nodes: { 0: { state: 'done', closed: 5 } } });
      await expect(one.kicks.stop(job)).rejects.toMatchObject({ code: 'HEARTBEAT_REDIS_LOST' });
      for (const { bus } of world.nodes) bus.isCut = false;
      await world.renewAll();
      await read(job);
      expect(await ended(job, three)).toMatchObject({ state: 'done', closed: 15, lost: 0 });
      expect([...kicks.values()].every(codes => codes.length === 1)).toBe(true);
    });

    it('has its record again when Redis was emptied', async () => {
      openAll(5);
      const { token } = await one.kicks.plan(ADA);
      const job = await started(token, one, { perSecond: 3 });
      await until(() => kicks.size === 3);
      world.store.empty();
      await world.renewAll();
      await read(job);
      expect(await ended(job, two)).toMatchObject({ state: 'done', closed: 15 });
    });

    it('covers the own connections alone while Redis is lost', async () => {
      openAll(2);
      await one.cluster.nodes();
      one.bus.isCut = true;
      await one.link.renew();
      const plan = await one.kicks.plan(ADA);
      expect([plan.matched, plan.silent.toSorted()]).toEqual([2, [two.id, three.id].toSorted()]);
      expect(await two.kicks.start(plan.token)).toEqual({ outcome: 'unknown-token' });
      const view = await ended(await started(plan.token));
      expect([view.closed, view.nodes.map(({ node }) => node)]).toEqual([2, [one.id]]);
      await expect(one.kicks.job('0'.repeat(24))).rejects.toMatchObject({ code: 'HEARTBEAT_REDIS_LOST' });
    });

    it('reports the share of a node that has dropped the list of the token', async () => {
      openAll(1);
      const { token } = await one.kicks.plan(ADA);
      for (let n = 0; n < 64; n++) await two.kicks.plan({ filter: { user: 'ada', node: two.id } });
      const view = await ended(await started(token));
      expect(view).toMatchObject({ state: 'done', closed: 2, lost: 1 });
      expect(view.nodes.find(({ state }) => state === 'lost')?.node).toBe(two.id);
    });
  });

  it('works on a node without Redis', async () => {
    const alone = await world.add({}, { isAlone: true });
    alone.open({ userId: 'ada' });
    const { token, silent, byNode } = await alone.kicks.plan(ADA);
    expect([silent, byNode]).toEqual([[], [{ node: alone.id, matched: 1 }]]);
    expect(await ended(await started(token, alone), alone)).toMatchObject({ state: 'done', closed: 1 });
  });
});
