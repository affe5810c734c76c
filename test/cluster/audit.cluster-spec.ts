/** The audit trail of a cluster while Redis is lost, frozen or emptied: no entry is lost or doubled. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster, type TestNode } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

interface Page {
  readonly items: readonly { readonly target: string; readonly node: string; readonly at: string }[];
  readonly nextCursor: string | null;
  readonly degraded?: true;
}

/** The promise: the cluster is complete within 5 s of Redis' return. */
const WHOLE_MS = 5000;

let redis: RedisServer;
let cluster: TestCluster;
let serial = 0;

beforeAll(async () => {
  redis = await RedisServer.start();
  cluster = await TestCluster.start({ size: 3, redisUrl: redis.url });
}, 120_000);
afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

async function page(node: TestNode, query: string): Promise<Page> {
  const { status, json } = await node.ask(`audit?${query}`);
  expect(status).toBe(200);
  return json as Page;
}

/** All entries with this actor as a node lists them, in pages. */
async function listed(node: TestNode, who: string, limit = 500): Promise<Page['items']> {
  const items: Page['items'][number][] = [];
  let cursor = '';
  for (;;) {
    const { items: more, nextCursor, degraded } = await page(node, `who=${who}&limit=${limit}${cursor}`);
    if (degraded) throw new Error('the trail is degraded');
    items.push(...more);
    if (nextCursor === null) return items;
    cursor = `&cursor=${encodeURIComponent(nextCursor)}`;
  }
}

/** Calls of the application, in turns at each node, one after the other. Returns their targets, oldest first. */
async function calls(who: string, count: number): Promise<string[]> {
  const targets: string[] = [];
  for (let n = 0; n < count; n++) {
    const target = `none-00000000.${serial++}`;
    await cluster.node(n % 3).call('connections', 'kick', target, { by: who });
    targets.push(target);
  }
  return targets;
}

/** Every node lists exactly these entries in the end, and in the same order. Returns their number. */
async function expectWhole(who: string, targets: readonly string[], timeoutMs = WHOLE_MS): Promise<number> {
  let last: unknown;
  const isWhole = async (node: TestNode) => {
    const items = await listed(node, who, 7).catch((error: unknown) => void (last = error));
    last = items?.map(({ target }) => target) ?? last;
    return items?.length === targets.length;
  };
  await until(async () => (await Promise.all(cluster.nodes.map(isWhole))).every(Boolean), {
    timeoutMs,
    message: () => `${targets.length} entries: ${String(last)}`,
  });
  const lists = await Promise.all(cluster.nodes.map(node => listed(node, who)));
  for (const items of lists) {
    expect(items).toEqual(lists[0]);
    expect(items.map(({ target }) => target).toSorted()).toEqual(targets.toSorted());
    const times = items.map(({ at }) => at);
    expect(times).toEqual(times.toSorted().toReversed());
  }
  return targets.length;
}

describe('the audit trail of three nodes', () => {
  it('has the entries of all at each of them, with the true actor where another node did it', async () => {
    const targets = await calls('together', 12);
    await expectWhole('together', targets);
    const client = await cluster.node(1).openClients(1);
    const [id = ''] = await cluster.node(1).ids();
    expect((await cluster.node(0).kick(id, 'reason=there')).status).toBe(200);
    const ofTarget = async () => (await page(cluster.node(2), `target=${encodeURIComponent(id)}`)).items;
    // The entry arrives after the answer.
    await until(async () => (await ofTarget()).length > 0);
    const items = await ofTarget();
    expect(items).toMatchObject([{ who: 'ops', role: 'operator', what: 'kick', target: id, result: 'done' }]);
    expect(items[0]!.node).toMatch(/^node1-/);
    await client.stop();
  });

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    ['frozen', async () => redis.pause(), async () => redis.resume()],
    ['killed, and restarted empty', () => redis.kill(), () => redis.restart()],
  ])('loses and doubles nothing while Redis is %s', async (what, lose, restore) => {
    const who = what.slice(0, 6);
    const before = await calls(who, 6);
    await expectWhole(who, before);
    await lose();
    const from = performance.now();
    const meanwhile = await calls(who, 9);
    expect(performance.now() - from).toBeLessThan(5000);
    for (const node of cluster.nodes) {
      await until(async () => (await page(node, `who=${who}`)).degraded === true, { timeoutMs: 5000 });
      const { items } = await page(node, `who=${who}`);
      expect(items.map(({ target }) => target)).toHaveLength(5);
      expect(items.every(entry => entry.node.startsWith(`${node.name}-`))).toBe(true);
    }
    await restore();
    await expectWhole(who, [...before, ...meanwhile]);
  });

  it('survives an emptied Redis, from the memory of the nodes', async () => {
    const targets = await calls('emptied', 9);
    await expectWhole('emptied', targets);
    await redis.command('FLUSHALL');
    expect(await expectWhole('emptied', targets)).toBe(9);
  });

  it('has the entries of a node that has ended', async () => {
    const last = await cluster.add();
    await last.call('connections', 'kick', 'none-00000000.last', { by: 'ended' });
    last.process.signal('SIGTERM');
    await last.process.exited;
    cluster.nodes.pop();
    expect(await expectWhole('ended', ['none-00000000.last'])).toBe(1);
  });

  it('has bounded pages while nodes write', async () => {
    const writing = calls('busy', 90);
    const seen = await listed(cluster.node(0), 'busy', 1);
    expect(new Set(seen.map(({ target }) => target)).size).toBe(seen.length);
    await expectWhole('busy', await writing);
  });
});
