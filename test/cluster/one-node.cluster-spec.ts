/** Admin routes about one node, asked through another one: the node answers, or is reported as silent, never as a wrong 404. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import type { ClosedView, ClusterNode } from 'nestjs-heartbeat';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster, type TestNode } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

let cluster: TestCluster;
let one: TestNode;
let two: TestNode;

beforeAll(async () => {
  const redis = await RedisServer.start();
  cluster = await TestCluster.start({ size: 2, redisUrl: redis.url });
  [one, two] = [cluster.node(0), cluster.node(1)];
});
afterEach(() => two.process.signal('SIGCONT'));
afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

/** Ids of connections of the second node that were closed, the newest first. */
async function closeSome(count: number): Promise<string[]> {
  for (let turn = 0; turn < count; turn++) {
    const client = await RawClient.opened({ port: two.port });
    const [id = ''] = await two.ids();
    await two.kick(id);
    await client.ended;
    client.destroy();
  }
  await until(async () => (await two.ids()).length === 0);
  return (await closed('node2')).map(({ id }) => id).slice(0, count);
}

async function closed(node: string, limit = 500): Promise<ClosedView[]> {
  const { status, json } = await one.ask(`closed?node=${node}&limit=${limit}`);
  expect(status).toBe(200);
  return (json as { items: ClosedView[] }).items;
}

describe('another node', () => {
  it('answers for its closed connections, by id and as a list', async () => {
    const [id = ''] = await closeSome(3);
    const { status, json } = await one.ask(`closed/${id}`);
    expect([status, json]).toEqual([200, (await two.ask(`closed/${id}`)).json]);
    expect(json).toMatchObject({ id, code: 4500, closedBy: 'operator', flight: expect.any(Array) });
    expect((await one.ask('closed')).json).toMatchObject({ items: [] });
    const first = (await one.ask('closed?node=node2&limit=2')).json as { items: ClosedView[]; nextCursor: string };
    const rest = (await one.ask(`closed?node=node2&limit=2&cursor=${first.nextCursor}`)).json as typeof first;
    expect([...first.items, ...rest.items].slice(0, 3)).toEqual((await closed('node2')).slice(0, 3));
    expect((await one.ask(`closed?limit=2&cursor=${first.nextCursor}`)).status).toBe(400);
  });

  it('answers for its closed connections by their filters, page by page, with the reason of each end', async () => {
    const since = new Date().toISOString();
    await closeSome(3);
    const query = `closed?node=node2&code=4500&by=operator&ip=127.0.0.0/8&since=${since}`;
    const first = (await one.ask(`${query}&limit=2`)).json as { items: ClosedView[]; nextCursor: string };
    const rest = (await one.ask(`${query}&limit=2&cursor=${first.nextCursor}`)).json as typeof first;
    expect([first.items.length, rest.items.length, rest.nextCursor]).toEqual([2, 1, null]);
    for (const { verdict } of [...first.items, ...rest.items])
      expect(verdict).toMatch(/^An operator \(.+\) kicked it with 4500 and the reason "kicked" at \S+Z\.$/);
    expect((await one.ask(`${query}&cursor=${first.nextCursor}&user=ada`)).status).toBe(400);
    for (const other of ['code=4000', 'by=client', 'user=ada', 'ip=10.0.0.0/8', 'since=2100-01-01T00:00:00Z'])
      expect((await one.ask(`closed?node=node2&${other}`)).json).toEqual({ items: [], nextCursor: null });
  });

  it('answers for its doctor and its heap, by id and by name', async () => {
    const [, { id: nodeId }] = ((await one.ask('nodes')).json as { items: [ClusterNode, ClusterNode] }).items;
    for (const node of [nodeId, 'node2']) {
      const { status, json } = await one.ask(`doctor?node=${node}`);
      expect([status, json]).toEqual([200, (await two.ask('doctor')).json]);
    }
    const taken = await one.ask('heap-snapshot?node=node2', { method: 'POST' });
    const { file } = taken.json as { file: string };
    await rm(file);
    expect([taken.status, file]).toEqual([201, expect.stringContaining(nodeId)]);
    const refused = await one.ask(`heap-snapshot?node=${nodeId}`, { method: 'POST' });
    expect([refused.status, refused.json]).toEqual([
      429,
      expect.objectContaining({ type: 'urn:nestjs-heartbeat:problem:snapshot-too-soon' }),
    ]);
    expect(one.process.output).toContain(`"what":"heap-snapshot","target":"${nodeId}"`);
  });

  it.each(['closed?node=nobody', 'doctor?node=nobody', 'closed/nobody-00000000.00000001', 'closed/nonsense'])(
    'is missed as not-found where there is none: %s',
    async path => {
      const { status, json } = await one.ask(path);
      expect([status, json]).toEqual([
        404,
        expect.objectContaining({ type: 'urn:nestjs-heartbeat:problem:not-found' }),
      ]);
    },
  );

  it.each(['closed?node=', 'doctor?node=', 'doctor?nodes=node2', 'doctor?node=a&node=b'])(
    'must be named once: %s',
    async path => {
      expect((await one.ask(path)).status).toBe(400);
    },
  );

  it('that is silent is reported so, and its age is a whole number', async () => {
    const [id = ''] = await closeSome(1);
    two.process.signal('SIGSTOP');
    const paths = [
      `closed/${id}`,
      `connections/${id}`,
      'closed?node=node2',
      'closed?node=node2&code=4500',
      'doctor?node=node2',
    ];
    const answers = await Promise.all(paths.map(path => one.ask(path)));
    const { nodes } = await one.list();
    for (const { status, json } of answers) {
      const silent = expect.objectContaining({ type: 'urn:nestjs-heartbeat:problem:node-silent' });
      expect([status, json]).toEqual([504, silent]);
    }
    const { items } = (await one.ask('nodes')).json as { items: ClusterNode[] };
    for (const { ageMs } of [...items, ...nodes]) expect(Number.isInteger(ageMs)).toBe(true);
    expect(nodes.at(-1)).toMatchObject({ status: 'timeout' });
  });
});
