// Measures: the last events of a node that ends, which the others fetch within a second.
/** One event stream over three nodes: events of all, resumption through another node, and what happens when Redis or a node fails. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';

import { EventReader, type ServerEvent } from '../support/clients/event-reader.js';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { LEASE_MS, TestCluster, type TestNode } from '../support/servers/test-cluster.js';
import { passed, until } from '../support/assert/until.js';

/** The promise: the cluster is complete within 5 s of Redis' return. A page may be under way before. */
const WHOLE_MS = 10_000;

let redis: RedisServer;
let cluster: TestCluster;
const clients: RawClient[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
  const drain = { spreadMs: 500, closeTimeoutMs: 500, deadlineMs: 5000 };
  cluster = await TestCluster.start({ redisUrl: redis.url, options: { drain } });
}, 240_000);

afterEach(() => {
  EventReader.closeAll();
  for (const client of clients.splice(0)) client.destroy();
});

afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

const reading = (node: TestNode, query = '', id = '') => ({
  port: node.port,
  path: `events?types=opened${query}`,
  ...(id !== '' && { headers: { 'last-event-id': id } }),
});

async function open(node: TestNode, query = ''): Promise<void> {
  clients.push(await RawClient.opened({ port: node.port, path: `/ws?${query}` }));
}

/** Resolves when a reader has seen so many openings, each once. */
async function opened(reader: EventReader, count: number, timeoutMs = WHOLE_MS): Promise<string[]> {
  const all = await reader.some('opened', count, timeoutMs);
  expect(new Set(all.map(({ id }) => id)).size).toBe(reader.of('opened').length);
  return all.map(({ node }) => node.replace(/-[0-9a-f]{8}$/, ''));
}

const isDegraded = (reader: EventReader) => reader.of('status').at(-1)?.degraded === true;
const gaps = (reader: EventReader) => reader.of('gap');

/** Commands a second, with those in scripts, as Redis counts them. */
async function commandsEachSecond(): Promise<number> {
  await redis.resetCounts();
  const from = performance.now();
  await passed(4000);
  const counts = await redis.commandCounts();
  return Object.values(counts).reduce((sum, count) => sum + count, 0) / ((performance.now() - from) / 1000);
}

describe('the event stream of a cluster', () => {
  it('costs Redis at rest one message a second for each other node, and one list of the leases', async () => {
    const before = await commandsEachSecond();
    await EventReader.following(reading(cluster.node(0)), 3);
    const more = (await commandsEachSecond()) - before;
    process.stderr.write(`an event stream of three nodes at rest: ${more.toFixed(1)} commands a second\n`);
    expect(more).toBeLessThan(12);
  }, 60_000);

  it('has the events of all nodes, or of one, filtered where they happen', async () => {
    const [first] = cluster.nodes as [TestNode];
    const all = await EventReader.following(reading(first), 3);
    const second = await EventReader.following(reading(first, '&node=node2'), 1);
    const ada = await EventReader.following(reading(first, '&user=ada'), 3);
    for (const node of cluster.nodes) await open(node);
    await open(cluster.node(2), 'user=ada');
    expect((await opened(all, 4)).toSorted()).toEqual(['node1', 'node2', 'node3', 'node3']);
    expect([await opened(second, 1), await opened(ada, 1)]).toEqual([['node2'], ['node3']]);
    expect([second, ada].map(reader => reader.of('opened').length)).toEqual([1, 1]);
  });

  it('continues through another node with the same id, without a gap and without doubles', async () => {
    const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode];
    const before = await EventReader.following(reading(first), 3);
    for (const node of cluster.nodes) await open(node);
    await opened(before, 3);
    before.close();
    for (const node of [third, first, second]) await open(node);
    const after = await EventReader.following(reading(second, '', before.lastId), 3);
    await open(first);
    expect((await opened(after, 4)).toSorted()).toEqual(['node1', 'node1', 'node2', 'node3']);
    const seen = new Set([...before.of('opened'), ...after.of('opened')].map(({ id }) => id));
    expect([seen.size, gaps(after)]).toEqual([7, []]);
  });

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    ['killed and restarted empty', () => redis.kill(), () => redis.restart()],
    ['frozen', async () => redis.pause(), async () => redis.resume()],
  ])(
    'stays open while Redis is %s, has the own events meanwhile, and the others once afterwards',
    async (_how, lose, restore) => {
      const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode];
      const reader = await EventReader.following(reading(first), 3);
      await open(second);
      await opened(reader, 1);
      await lose();
      await until(() => isDegraded(reader), { timeoutMs: WHOLE_MS });
      for (const node of [second, third, first]) await open(node);
      expect(await opened(reader, 2)).toEqual(['node2', 'node1']);
      const meanwhile = await EventReader.open(reading(first, '', reader.lastId));
      await until(() => isDegraded(meanwhile));
      await restore();
      await reader.follows(3, WHOLE_MS);
      expect((await opened(reader, 4)).toSorted()).toEqual(['node1', 'node2', 'node2', 'node3']);
      expect((await opened(meanwhile, 2)).toSorted()).toEqual(['node2', 'node3']);
      expect([gaps(reader), gaps(meanwhile)]).toEqual([[], []]);
      await cluster.whole();
    },
    120_000,
  );

  it('names a frozen node, and has its events when it goes on', async () => {
    const [first, , third] = cluster.nodes as [TestNode, TestNode, TestNode];
    const reader = await EventReader.following(reading(first), 3);
    await open(third);
    await opened(reader, 1);
    third.process.signal('SIGSTOP');
    const isSilent = () =>
      reader
        .of('status')
        .at(-1)
        ?.nodes.some(({ status }: { status: string }) => status === 'timeout');
    await until(isSilent, { timeoutMs: WHOLE_MS });
    third.process.signal('SIGCONT');
    await open(third);
    await reader.follows(3, WHOLE_MS);
    await opened(reader, 2);
    expect(gaps(reader)).toEqual([]);
  }, 60_000);

  it('has the last events of a node that ends, and the first of one that takes its place', async () => {
    const [first, , third] = cluster.nodes as [TestNode, TestNode, TestNode];
    const reader = await EventReader.following({ port: first.port }, 3);
    await open(third);
    third.process.signal('SIGTERM');
    expect(await third.process.exited).toMatchObject({ code: 0 });
    await reader.some('drain-ended');
    await reader.follows(2);
    const ends = reader.types.filter(type => ['closed', 'drain-started', 'drain-ended', 'gap'].includes(type));
    expect(ends).toEqual(['drain-started', 'closed', 'drain-ended']);
    cluster.nodes.pop();
    await open(await cluster.add());
    await reader.follows(3);
    await open(cluster.node(2));
    await until(() => reader.of('opened').length >= 2);
    expect(gaps(reader)).toEqual([]);
  }, 60_000);

  it('has a gap without an end for a node that is killed, and for its position in a later stream', async () => {
    const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode];
    const reader = await EventReader.following(reading(first), 3);
    await open(third);
    await opened(reader, 1);
    const { id, data } = reader.events.at(-1) as ServerEvent;
    third.process.signal('SIGKILL');
    const [gap] = await reader.some('gap', 1, LEASE_MS + WHOLE_MS);
    expect(gap).toMatchObject({ node: data.node, from: data.seq + 1, to: null, reason: 'ended' });
    await reader.follows(2);
    cluster.nodes.pop();
    const later = await EventReader.following(reading(second, '', id), 2);
    expect(await later.some('gap', 1, WHOLE_MS)).toMatchObject([{ boot: data.node.slice(-8), to: null }]);
    expect([gaps(reader).length, gaps(later).length]).toEqual([1, 1]);
  }, 60_000);

  it('ends with the node that serves it, with the time after which to connect again, and continues at another one', async () => {
    const [first, second] = cluster.nodes as [TestNode, TestNode];
    const reader = await EventReader.following({ port: second.port }, 2);
    await open(second);
    second.process.signal('SIGTERM');
    expect(await second.process.exited).toMatchObject({ code: 0 });
    await reader.ended();
    expect([reader.endedWell, reader.retries.length]).toEqual([true, 2]);
    expect(reader.types.filter(type => /^(drain-started|closed|drain-ended|gap)$/.test(type))).toEqual([
      'drain-started',
      'closed',
      'drain-ended',
    ]);
    await open(first);
    const later = await EventReader.open({ port: first.port, headers: { 'last-event-id': reader.lastId } });
    await later.some('opened');
    cluster.nodes.pop();
  }, 60_000);
});
