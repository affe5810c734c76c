/** Limits that change while the nodes run: on all of them, on those that start later, and on those that Redis did not reach. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Answer } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster, type TestNode } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

interface LimitsAnswer {
  readonly nodes: readonly { id: string; status: string; limits: { maxPerIp: number; maxPerUser: number } | null }[];
  readonly degraded?: true;
}

let redis: RedisServer;
let cluster: TestCluster;

beforeAll(async () => {
  redis = await RedisServer.start();
  cluster = await TestCluster.start({ redisUrl: redis.url, size: 2 });
}, 240_000);
afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

function patch(node: TestNode, body: object): Promise<Answer> {
  const headers = { authorization: 'Bearer do', 'content-type': 'application/json' };
  return node.ask('limits', { method: 'PATCH', headers, body: JSON.stringify(body) });
}

/** The value in force of an option on a node, and where it was set. */
async function optionOf(node: TestNode, key: string): Promise<unknown[]> {
  const { items } = (await node.ask('config')).json as { items: { key: string; value: unknown; source: string }[] };
  const found = items.find(item => item.key === key);
  return [found?.value, found?.source];
}

async function everyNode(key: string, value: unknown): Promise<void> {
  await until(
    async () => (await Promise.all(cluster.nodes.map(node => optionOf(node, key)))).every(([is]) => is === value),
    {
      timeoutMs: 10_000,
      message: () => `every node to have ${key} ${String(value)}`,
    },
  );
}

async function open(node: TestNode, user: string): Promise<RawClient | null> {
  const client = new RawClient({ port: node.port, path: `/ws?user=${user}` });
  const { status } = await client.open();
  return status === 101 ? client : null;
}

describe('limits for all nodes', () => {
  it('are in force on each node when the change is answered, and end at their time', async () => {
    const { status, json } = await patch(cluster.node(0), { maxPerIp: 7, forMs: 1500, node: 'all' });
    const { nodes } = json as LimitsAnswer;
    expect([status, nodes.map(node => [node.status, node.limits?.maxPerIp])]).toEqual([
      200,
      [
        ['ok', 7],
        ['ok', 7],
      ],
    ]);
    expect(await optionOf(cluster.node(1), 'limits.maxPerIp')).toEqual([7, 'run-time']);
    await everyNode('limits.maxPerIp', 0);
  });

  it('apply to a node that starts later, from its first client on', async () => {
    await patch(cluster.node(1), { maxPerUser: 2, node: 'all' });
    const late = await cluster.add();
    expect(await optionOf(late, 'limits.maxPerUser')).toEqual([2, 'run-time']);
    const clients = [await open(late, 'late'), await open(late, 'late')];
    expect([clients.includes(null), await open(late, 'late')]).toEqual([false, null]);
    for (const client of clients) client?.destroy();
    await cluster.whole();
    await patch(late, { maxPerUser: null, node: 'all' });
    await everyNode('limits.maxPerUser', 0);
  }, 60_000);

  it('count the connections that users have already, and are exact over all nodes', async () => {
    const before = await Promise.all(cluster.nodes.map(node => open(node, 'ann')));
    expect(before.includes(null)).toBe(false);
    const max = before.length + 2;
    await patch(cluster.node(0), { maxPerUser: max, node: 'all' });
    const attempts = Array.from({ length: 30 }, (_, n) => open(cluster.node(n % cluster.nodes.length), 'ann'));
    const admitted = (await Promise.all(attempts)).filter(client => client !== null);
    expect(admitted).toHaveLength(2);
    await patch(cluster.node(1), { maxPerUser: null, node: 'all' });
    expect(await open(cluster.node(0), 'ann')).not.toBeNull();
    for (const client of [...before, ...admitted]) client?.destroy();
  }, 60_000);

  it('reach the nodes when Redis is back, and an emptied Redis gets them again', async () => {
    redis.pause();
    await until(async () => (await cluster.node(0).ask('nodes')).json.degraded === true, { timeoutMs: 10_000 });
    const { json } = await patch(cluster.node(0), { maxPerIp: 9, node: 'all' });
    const { nodes, degraded } = json as LimitsAnswer;
    expect([nodes[0]?.limits?.maxPerIp, degraded]).toEqual([9, true]);
    expect(nodes.slice(1).every(({ status }) => status === 'timeout')).toBe(true);
    redis.resume();
    await everyNode('limits.maxPerIp', 9);
    await redis.command('FLUSHALL');
    const late = await cluster.add();
    await until(async () => (await optionOf(late, 'limits.maxPerIp'))[0] === 9, { timeoutMs: 10_000 });
    await patch(late, { maxPerIp: null, node: 'all' });
    await everyNode('limits.maxPerIp', 0);
  }, 60_000);

  it('leave the change of one node before those of all', async () => {
    const other = cluster.node(1);
    await patch(cluster.node(0), { maxPerIp: 3, node: other.name });
    await patch(cluster.node(0), { maxPerIp: 8, node: 'all' });
    expect(
      await Promise.all([optionOf(cluster.node(0), 'limits.maxPerIp'), optionOf(other, 'limits.maxPerIp')]),
    ).toEqual([
      [8, 'run-time'],
      [3, 'run-time'],
    ]);
    await patch(cluster.node(0), { maxPerIp: null, node: other.name });
    await patch(other, { maxPerIp: null, node: 'all' });
    await everyNode('limits.maxPerIp', 0);
    const config = await cluster.node(0).ask(`config?node=${other.name}`);
    expect([config.status, (config.json as { node: string }).node.startsWith(other.name)]).toEqual([200, true]);
  });
});
