import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { until } from '../../../../test/support/assert/until.js';
import type { ClusterPosition } from './cluster-answers.js';

Logger.overrideLogger(false);

describe('ClusterService', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;
  let three: WorldNode;

  beforeEach(() => start());
  afterEach(() => world.end());

  async function start(cluster: HeartbeatOptions['cluster'] = {}): Promise<void> {
    world = new ClusterWorld();
    [one, two, three] = [await world.add({ cluster }), await world.add({ cluster }), await world.add({ cluster })];
    await world.renewAll();
  }

  /** The same nodes with a short time for replies. */
  async function startImpatient(): Promise<void> {
    await world.end();
    await start({ requestTimeoutMs: 200 });
  }

  it('returns every node, its own first', async () => {
    two.state.draining = true;
    three.open();
    world.now += 500;
    await two.link.renew();
    await three.link.renew();
    const nodes = await one.cluster.nodes();
    expect(nodes[0]).toMatchObject({ id: one.id, name: 'node1', state: 'up', connections: 0, ageMs: 0 });
    expect(nodes.slice(1)).toEqual([
      expect.objectContaining({ id: two.id, state: 'draining' }),
      expect.objectContaining({ id: three.id, state: 'up', connections: 1, intervalMs: 25_000 }),
    ]);
    expect(one.state.clusterNodes).toBe(3);
  });

  it('reports at once that a node drains, and that it serves again', async () => {
    two.state.draining = true;
    two.events.announce({ type: 'drain-started', connections: 0, reason: 'test' });
    await new Promise(resolve => setImmediate(resolve));
    expect((await one.cluster.nodes())[1]).toMatchObject({ state: 'draining' });
    two.state.draining = false;
    two.events.announce({ type: 'drain-aborted', remaining: 0, total: 0 });
    await new Promise(resolve => setImmediate(resolve));
    expect((await one.cluster.nodes())[1]).toMatchObject({ state: 'up' });
  });

  it('removes a node that does not renew, within its lease', async () => {
    world.now += 2000;
    await one.link.renew();
    await two.link.renew();
    world.now += 1001;
    expect((await one.cluster.nodes()).map(({ id }) => id)).toEqual([one.id, two.id]);
  });

  it('lists page by page over all nodes, from any of them', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 10; n++) {
      world.now += 10;
      ids.push(world.nodes[n % 3]!.open().id);
    }
    const seen: string[] = [];
    let after: ClusterPosition | null = null;
    for (let page = 0; page === 0 || after !== null; page++) {
      const { items, end, total, nodes } = await world.nodes[page % 3]!.cluster.list({ limit: 3, after });
      expect([total, nodes.map(({ status }) => status)]).toEqual([10, ['ok', 'ok', 'ok']]);
      seen.push(...items.map(({ id }) => id));
      after = end;
    }
    expect(seen).toEqual(ids);
  });

  it('sends requests only to the nodes that a filter names', async () => {
    for (const node of world.nodes) node.open();
    const { items, total, nodes } = await one.cluster.list({ filter: { node: 'node2' } });
    expect([items.map(({ node }) => node), total]).toEqual([[two.id], 1]);
    expect(nodes.map(({ id }) => id)).toEqual([one.id, two.id]);
  });

  it('lists a silent node, does not wait for it, and shows its rows on a later page', async () => {
    await startImpatient();
    const ids = world.nodes.map(node => node.open().id);
    await world.renewAll();
    const listener = world.store.listeners.get(three.id)!;
    world.store.listeners.delete(three.id);
    const { items, end, total, nodes } = await one.cluster.list();
    expect([items.map(({ id }) => id), total]).toEqual([ids.slice(0, 2), 2]);
    expect(nodes[2]).toEqual({ id: three.id, status: 'timeout', connections: 1, ageMs: 0 });
    expect(one.errors['request']).toBe(1);
    world.store.listeners.set(three.id, listener);
    const next = await two.cluster.list({ after: end });
    expect([next.items.map(({ id }) => id), next.end, next.total]).toEqual([[ids[2]], null, 3]);
  });

  it('lists the other nodes while Redis is lost, sends them nothing, and removes them when their leases end', async () => {
    for (const node of world.nodes) node.open();
    await world.renewAll();
    await one.cluster.list();
    one.bus.isCut = true;
    await one.link.renew();
    world.now += 500;
    const { publish } = one.bus.calls;
    const { items, nodes } = await one.cluster.list();
    expect([items.length, nodes.map(({ status }) => status)]).toEqual([1, ['ok', 'timeout', 'timeout']]);
    expect([nodes[1]?.ageMs, one.bus.calls['publish']]).toEqual([500, publish]);
    world.now += 3000;
    expect((await one.cluster.list()).nodes).toHaveLength(1);
  });

  describe('while an emptied Redis does not know the other nodes yet', () => {
    let ids: string[];
    beforeEach(async () => {
      await startImpatient();
      ids = world.nodes.map(node => node.open().id);
      await world.renewAll();
      await one.cluster.list();
      world.now += 500;
      world.store.empty();
      await one.link.renew();
    });

    it('still sends them requests, and loses no row', async () => {
      const { items, end, nodes } = await one.cluster.list();
      expect([items.map(({ id }) => id), end]).toEqual([ids, null]);
      expect(nodes.map(({ id, status }) => [id, status])).toEqual(world.nodes.map(({ id }) => [id, 'ok']));
      expect(await one.cluster.kick(ids[2]!)).toBe('closing');
    });

    it('lists a silent one, and shows its rows on a later page', async () => {
      const listener = world.store.listeners.get(three.id)!;
      world.store.listeners.delete(three.id);
      const { items, end, nodes } = await one.cluster.list();
      expect(items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
      expect(nodes[2]).toEqual({ id: three.id, status: 'timeout', connections: 1, ageMs: 500 });
      world.store.listeners.set(three.id, listener);
      await world.renewAll();
      expect((await two.cluster.list({ after: end })).items.map(({ id }) => id)).toEqual([ids[2]]);
    });

    it('removes them when their leases would have ended', async () => {
      world.now += 2500;
      expect((await one.cluster.list()).nodes).toHaveLength(1);
    });
  });

  it('removes a node that has left, at once', async () => {
    await one.cluster.list();
    await three.stop();
    // The other nodes read its message in their next turn.
    await until(async () => (await one.cluster.nodes()).length === 2);
    const { nodes } = await one.cluster.list();
    expect(nodes.map(({ id, status }) => [id, status])).toEqual([
      [one.id, 'ok'],
      [two.id, 'ok'],
    ]);
    expect(one.errors['request']).toBe(0);
  });

  it.each([0, 501, 1.5, Number.NaN])('rejects a page of %p, and names the allowed range', async limit => {
    const told = { code: 'HEARTBEAT_BAD_QUERY', message: expect.stringContaining('from 1 to 500') };
    await expect(one.cluster.list({ limit })).rejects.toMatchObject(told);
  });

  it('reports an invalid reply as an error, and counts it', async () => {
    two.repliesTo('keys', { isFailed: false, body: { keys: 'all' } });
    const { nodes } = await one.cluster.list();
    expect(nodes[1]).toMatchObject({ id: two.id, status: 'error' });
    expect(one.errors).toMatchObject({ message: 1, request: 1 });
  });

  it('reports an error for a node that fails to reply', async () => {
    jest.spyOn(two.connections, 'listInSlices').mockRejectedValue(new Error('boom'));
    expect((await one.cluster.list()).nodes[1]).toMatchObject({ status: 'error' });
  });

  it('returns a connection with its flight record, from any node', async () => {
    const { id, connection } = two.open({ userId: 'u' });
    connection.note({ kind: 'incomplete' });
    expect(await one.cluster.get(id)).toMatchObject({
      id,
      userId: 'u',
      flight: [{ what: 'opened' }, { what: 'a message stayed unfinished' }],
    });
    expect(await two.cluster.get(id)).toMatchObject({ id });
  });

  it.each<[string, (id: string) => string]>([
    ['of no connection', id => id.replace(/.$/, 'z')],
    ['of an unknown node', id => `x${id}`],
    ['that is invalid', () => 'hello'],
    ['that is empty', () => ''],
    ['with a node’s id in the wrong form', id => `${id}.00000001`],
  ])('finds no connection by an id %s', async (_, change) => {
    const id = change(two.open().id);
    expect([await one.cluster.get(id), await one.cluster.kick(id)]).toEqual([undefined, 'not-found']);
  });

  it('kicks a connection on any node, and returns what has begun', async () => {
    const { id, connection } = three.open();
    expect(await one.cluster.kick(id, { reason: 'spam', by: 'ops' })).toBe('closing');
    expect(connection.closing).toEqual({ code: 4500, reason: 'spam', by: 'operator' });
  });

  it('reports a connection that is already closing', async () => {
    const { id, connection } = three.open();
    connection.channel.shut = () => undefined;
    connection.end({ code: 4001, reason: 'idle', by: 'server' }, { kind: 'idle' });
    expect(await one.cluster.kick(id)).toBe('already-closing');
  });

  it('never confirms a kick for a silent node', async () => {
    await startImpatient();
    const { id } = two.open();
    world.store.listeners.delete(two.id);
    expect(await one.cluster.kick(id)).toBe('unconfirmed');
    await expect(one.cluster.get(id)).rejects.toMatchObject({ code: 'HEARTBEAT_NODE_SILENT' });
  });

  it('kicks all that match, on all nodes, and no others', async () => {
    for (const node of world.nodes) for (const userId of ['a', 'a', 'b']) node.open({ userId });
    const { kicked, failed, nodes } = await two.cluster.kickAll({ user: 'a' }, { reconnect: true });
    expect([kicked, failed, nodes.map(({ status }) => status)]).toEqual([6, 0, ['ok', 'ok', 'ok']]);
    expect((await one.cluster.list()).items.map(({ userId }) => userId)).toEqual(['b', 'b', 'b']);
  });

  it('sends to all, and to one user, once, text and bytes', async () => {
    const clients = world.nodes.flatMap(node => ['a', 'b'].map(userId => node.open({ userId })));
    expect(one.cluster.broadcast({ event: 'x' })).toBe(2);
    expect(one.cluster.sendToUser('b', Buffer.from([1, 2]))).toBe(1);
    await until(() => clients.every(({ sent }, place) => sent.length === 1 + (place % 2)));
    const [ofA, ofB] = [['{"event":"x"}'], ['{"event":"x"}', Buffer.from([1, 2])]];
    expect(clients.map(({ sent }) => sent)).toEqual([ofA, ofB, ofA, ofB, ofA, ofB]);
  });

  it('rejects a message that other nodes would not accept, before it sends anything', () => {
    const { sent } = one.open();
    expect(() => one.cluster.broadcast('x'.repeat(4 * 1024 * 1024))).toThrow(
      expect.objectContaining({ code: 'HEARTBEAT_MESSAGE_TOO_LARGE' }),
    );
    expect(sent).toEqual([]);
  });

  describe('while Redis is lost', () => {
    it('is only this node, reports that, and kicks local connections', async () => {
      await startImpatient();
      const [here, there] = [one.open(), two.open()];
      one.bus.isCut = true;
      const { items, nodes } = await one.cluster.list();
      expect([items.map(({ id }) => id), nodes.map(({ id }) => id)]).toEqual([[here.id], [one.id]]);
      expect([one.cluster.isDegraded, one.state.clusterLost, one.state.clusterNodes]).toEqual([true, true, 1]);
      expect([await one.cluster.kick(here.id), await one.cluster.kick(there.id)]).toEqual(['closing', 'unconfirmed']);
      expect(one.cluster.broadcast('x')).toBe(0);
      await new Promise(resolve => setImmediate(resolve));
      expect(one.errors).toMatchObject({ lease: expect.any(Number), publish: expect.any(Number) });
    });

    it('rejoins when Redis has recovered', async () => {
      one.bus.isCut = true;
      await one.link.renew();
      one.bus.isCut = false;
      await one.link.renew();
      expect([one.cluster.isDegraded, one.state.clusterNodes]).toEqual([false, 3]);
    });

    it('drops foreign messages, and counts them', async () => {
      const { message } = world.store.listeners.get(one.id)!;
      for (const text of ['', '{}', 'x'.repeat(100), '{"version":2,"message":{"kind":"bans","from":"n"}}'])
        message(text);
      await until(() => one.errors['message'] === 4);
      expect(one.errors).toMatchObject({ message: 4, request: 0 });
    });
  });
});

describe('a cluster of one', () => {
  it('works the same, without requests', async () => {
    const world = new ClusterWorld();
    const alone = await world.add({ limits: { maxPerUser: 1 } }, { isAlone: true });
    const { id } = alone.open({ userId: 'u' });
    const { items, total, nodes, end } = await alone.cluster.list();
    expect([items.length, total, nodes, end]).toEqual([
      1,
      1,
      [{ id: alone.id, status: 'ok', connections: 1, ageMs: 0 }],
      null,
    ]);
    expect(await alone.cluster.nodes()).toHaveLength(1);
    expect(await alone.cluster.kick(id.replace(/^node1/, 'node2'))).toBe('not-found');
    expect(await alone.cluster.kick(id)).toBe('closing');
    expect([alone.cluster.isDegraded, alone.slots.isShared, alone.bus.calls]).toEqual([false, false, {}]);
    await world.end();
  });
});
