/** Series and leaders of three nodes in processes of their own: sums, a frozen node, a node that has ended, and Redis that is lost. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Leaders, NodeAnswer } from 'nestjs-heartbeat';
import { RedisServer } from '../support/redis/redis-server.js';
import { REQUEST_TIMEOUT_MS, TestCluster, type TestNode } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

interface Stats {
  readonly from: string;
  readonly series: Record<string, (number | null)[]>;
  readonly totals: Record<string, number>;
  readonly nodes: NodeAnswer[];
  readonly degraded?: true;
}

let redis: RedisServer;
let cluster: TestCluster;
let one: TestNode;
let two: TestNode;
let three: TestNode;

beforeAll(async () => {
  redis = await RedisServer.start();
  cluster = await TestCluster.start({ redisUrl: redis.url });
  [one, two, three] = [cluster.node(0), cluster.node(1), cluster.node(2)];
});
afterEach(() => two.process.signal('SIGCONT'));
afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

async function stats(node: TestNode, query: string): Promise<Stats> {
  const { status, text, json } = await node.ask(`stats?${query}`);
  if (status !== 200) throw new Error(`the statistics were answered ${status}: ${text}`);
  return json as Stats;
}

const sum = (row: (number | null)[] = []) => row.reduce<number>((all, value) => all + (value ?? 0), 0);
const statuses = ({ nodes }: Pick<Stats, 'nodes'>) => nodes.map(({ status }) => status).toSorted();

describe('statistics of a cluster', () => {
  it('are the same at every node, and sum all of them', async () => {
    await Promise.all([one.openClients(5), two.openClients(7), three.openClients(9)]);
    await cluster.whole(21);
    const all = async () => Promise.all(cluster.nodes.map(node => stats(node, 'sinceMs=20000')));
    await until(async () => (await all()).every(({ series }) => sum(series['opened']) === 21), { timeoutMs: 10_000 });
    const [first, second] = await all();
    expect([first!.totals['connections'], first!.totals['opened'], statuses(first!)]).toEqual([
      21,
      21,
      ['ok', 'ok', 'ok'],
    ]);
    // The nodes agree on the time: one range is at most a second or two later than the other.
    expect(Math.abs(Date.parse(first!.from) - Date.parse(second!.from))).toBeLessThanOrEqual(3000);
    const ofTwo = await stats(one, 'sinceMs=20000&node=node2');
    expect([sum(ofTwo.series['opened']), ofTwo.nodes.length]).toEqual([7, 1]);
  });

  it('name the ten largest over all nodes', async () => {
    await one.call('cluster', 'broadcast', 'to all');
    const sent = async () => (await stats(one, 'sinceMs=1000')).totals['messagesOut'] === 21;
    await until(sent, { timeoutMs: 10_000 });
    const { status, json } = await one.ask('leaders?by=messagesOut');
    const leaders = json as Leaders;
    expect([status, leaders.items.length, leaders.approximate]).toEqual([200, 10, undefined]);
    const byIp = (await one.ask('leaders?by=messagesOut&group=ip')).json as Leaders;
    expect([sum(byIp.items.map(({ connections }) => connections)), byIp.approximate]).toEqual([21, true]);
  });

  it('name a frozen node, do not wait for it, and show its stall as a gap when it is back', async () => {
    two.process.signal('SIGSTOP');
    const begun = performance.now();
    const frozen = await stats(one, 'sinceMs=5000');
    expect(performance.now() - begun).toBeLessThan(REQUEST_TIMEOUT_MS + 1000);
    expect([statuses(frozen), frozen.totals['connections']]).toEqual([['ok', 'ok', 'timeout'], 14]);
    expect((await one.ask('stats?node=node2')).status).toBe(504);
    // As long as a stall must be to leave out a second.
    await until(async () => sum((await stats(one, 'sinceMs=4000')).series['connections']) === 4 * 14, {
      timeoutMs: 15_000,
    });
    two.process.signal('SIGCONT');
    await until(
      async () => {
        const { status, json } = await one.ask('stats?sinceMs=30000&node=node2');
        const row = status === 200 ? ((json as Stats).series['connections'] ?? []) : [];
        return row.at(-1) === 7 && row.slice(row.indexOf(7)).includes(null);
      },
      { timeoutMs: 10_000 },
    );
  });

  it('have no node that has ended, and only the queried one while Redis is lost', async () => {
    await three.process.stop();
    await until(async () => (await stats(one, 'sinceMs=1000')).nodes.length === 2, { timeoutMs: 10_000 });
    redis.pause();
    await until(async () => (await stats(one, 'sinceMs=1000')).degraded === true, { timeoutMs: 10_000 });
    const { totals, nodes } = await stats(one, 'sinceMs=1000');
    expect([totals['connections'], nodes[0]]).toMatchObject([5, { status: 'ok', connections: 5 }]);
    redis.resume();
    await until(async () => (await stats(one, 'sinceMs=1000')).totals['connections'] === 12, { timeoutMs: 10_000 });
  });
});
