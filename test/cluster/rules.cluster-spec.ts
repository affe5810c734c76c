/** Rules over all nodes: bans, and the limit of a user. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { type Ended, RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { APART_MS, LEASE_MS, TestCluster } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

/** The promise: a ban is applied on every node within a second. */
const BAN_MS = 1000;
const WHOLE_MS = 5000;
const MAX_PER_USER = 5;
/** Of a ban that is to end by itself: longer than a node takes to start. */
const FOR_MS = 12_000;

let redis: RedisServer;
let cluster: TestCluster;
let replacing: TestCluster;

beforeAll(async () => {
  redis = await RedisServer.start();
  const limits = { maxPerUser: MAX_PER_USER };
  cluster = await TestCluster.start({ redisUrl: redis.url, options: { limits } });
  replacing = await TestCluster.start({
    redisUrl: redis.url,
    size: 2,
    options: { limits: { ...limits, onUserLimit: 'replace-oldest' }, cluster: { namespace: 'replacing' } },
  });
}, 240_000);

afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

/** The status of an upgrade on a node, and the client where it was admitted. */
async function knock(port: number, path: string): Promise<{ status: number; type: string; client: RawClient }> {
  const client = new RawClient({ port, path });
  const { status, body } = await client.open();
  return { status, type: status === 101 ? '' : (JSON.parse(body) as { type: string }).type, client };
}

/** The status of an upgrade from the address that is banned. */
async function statusAt(port: number): Promise<number> {
  const client = new RawClient({ port, localAddress: '127.0.9.9' });
  const { status } = await client.open();
  client.destroy();
  return status;
}

/** Upgrades of one user, as many on each node, all at once. */
async function clientsOf(user: string, each: number, path = '/ws'): Promise<RawClient[]> {
  const all = cluster.nodes.flatMap(({ port }) =>
    Array.from({ length: each }, () => knock(port, `${path}?user=${user}`)),
  );
  const knocks = await Promise.all(all);
  const refused = knocks.filter(({ status }) => status !== 101);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set(refused.length > 0 ? [429] : []));
  for (const { type } of refused) expect(type).toMatch(/user-limit$/);
  return knocks.filter(({ status }) => status === 101).map(({ client }) => client);
}

async function gone(clients: readonly RawClient[]): Promise<Ended[]> {
  for (const client of clients) client.close(1000);
  return Promise.all(clients.map(client => client.ended));
}

/** The close of each client that has ended by now, by its place. */
function endsOf(clients: readonly RawClient[]): Map<number, number> {
  const ends = new Map<number, number>();
  clients.forEach((client, place) => void client.ended.then(({ code }) => ends.set(place, code)));
  return ends;
}

describe('a ban', () => {
  it('on one node closes the user on all, within a second, and admits no connection of it until it is lifted', async () => {
    const clients = await clientsOf('banned', 1);
    const from = performance.now();
    const { id } = await cluster
      .node(1)
      .call<{ id: string }>('bans', 'ban', { kind: 'user', value: 'banned', forMs: 60_000, reason: 'spam' });
    const ends = await Promise.all(clients.map(client => client.ended));
    expect(ends.map(({ code, reason }) => [code, reason])).toEqual(clients.map(() => [4501, 'spam']));
    expect(Math.max(...ends.map(({ at }) => at)) - from).toBeLessThan(BAN_MS);
    for (const { port } of cluster.nodes) {
      expect(await knock(port, '/ws?user=banned')).toMatchObject({
        status: 403,
        type: expect.stringMatching(/banned$/),
      });
    }
    await cluster.node(2).call('bans', 'lift', id);
    for (const { port } of cluster.nodes) {
      const lifted = await until(
        async () => {
          const { status, client } = await knock(port, '/ws?user=banned');
          return status === 101 ? client : null;
        },
        { timeoutMs: BAN_MS },
      );
      await gone([lifted]);
    }
  });

  it('holds on a node that was started later, and on one that missed it, and ends by itself', async () => {
    const away = cluster.node(2);
    away.process.signal('SIGSTOP');
    const from = performance.now();
    await cluster.node(0).call('bans', 'ban', { kind: 'ip', value: '127.0.9.9', forMs: FOR_MS });
    const newcomer = await cluster.add();
    try {
      away.process.signal('SIGCONT');
      await until(async () => (await statusAt(newcomer.port)) === 403, { timeoutMs: BAN_MS });
      // It was away: all is whole soon, if not at once.
      await until(async () => (await statusAt(away.port)) === 403, { timeoutMs: WHOLE_MS });
      for (const { port } of cluster.nodes) {
        await until(async () => (await statusAt(port)) === 101, { timeoutMs: 2 * FOR_MS });
      }
      expect(performance.now() - from).toBeGreaterThan(FOR_MS - 100);
    } finally {
      cluster.nodes.pop();
      newcomer.process.signal('SIGTERM');
      await newcomer.process.exited;
    }
    await cluster.whole();
  });

  it('that is made while Redis is away holds on its node at once, and on all when it is back', async () => {
    await redis.kill();
    await cluster.node(0).call('bans', 'ban', { kind: 'user', value: 'early', forMs: 60_000 });
    expect((await knock(cluster.node(0).port, '/ws?user=early')).status).toBe(403);
    await redis.restart();
    for (const { port } of cluster.nodes) {
      await until(async () => {
        const { status, client } = await knock(port, '/ws?user=early');
        client.destroy();
        return status === 403;
      });
    }
    await cluster.whole();
  });
});

describe('the limit of a user', () => {
  it('is exact over all nodes, however many come at once, and every place is given back', async () => {
    for (let round = 0; round < 5; round++) {
      const clients = await clientsOf('eager', 20);
      expect(clients).toHaveLength(MAX_PER_USER);
      const [first, second, ...rest] = clients;
      await gone([first!, second!]);
      await until(async () => (await cluster.node(0).list('user=eager')).total === MAX_PER_USER - 2);
      const more = await until(async () => {
        const newcomers = await clientsOf('eager', 1);
        return newcomers.length === 2 ? newcomers : null;
      });
      expect((await cluster.node(1).list('user=eager')).total).toBe(MAX_PER_USER);
      await gone([...rest, ...more]);
      await until(async () => (await cluster.node(2).list('user=eager')).total === 0);
    }
  });

  it('is exact also where the gateway takes its time to let them in', async () => {
    const clients = await clientsOf('patient', 20, '/asking');
    expect(clients).toHaveLength(MAX_PER_USER);
    await gone(clients.slice(1));
    const more = await until(async () => {
      const newcomers = await clientsOf('patient', 2, '/asking');
      return newcomers.length > 0 ? newcomers : null;
    });
    expect((await cluster.node(0).list('user=patient')).total).toBeLessThanOrEqual(MAX_PER_USER);
    await gone([...clients.slice(0, 1), ...more]);
    await until(async () => (await cluster.node(2).list('user=patient')).total === 0);
    const again = await clientsOf('patient', 20, '/asking');
    expect(again).toHaveLength(MAX_PER_USER);
    await gone(again);
  });

  it('is kept by each node while Redis is lost, closes no connection when it is back, and is exact again then', async () => {
    await redis.kill();
    const clients = await clientsOf('lonely', 8);
    expect(clients).toHaveLength(3 * MAX_PER_USER);
    const ends = endsOf(clients);
    await redis.restart();
    await cluster.whole(3 * MAX_PER_USER, { timeoutMs: WHOLE_MS });
    await until(async () => (await clientsOf('lonely', 1)).length === 0, { timeoutMs: WHOLE_MS });
    expect(ends.size).toBe(0);
    await gone(clients.slice(0, 12));
    await until(async () => (await cluster.node(0).list('user=lonely')).total === 3);
    const more = await clientsOf('lonely', 8);
    expect(more).toHaveLength(MAX_PER_USER - 3);
    await gone([...clients.slice(12), ...more]);
  });

  it('counts a dead node’s connections no longer than its lease', async () => {
    const dying = await cluster.add();
    const there = await Promise.all(Array.from({ length: MAX_PER_USER }, () => knock(dying.port, '/ws?user=orphan')));
    expect(there.map(({ status }) => status)).toEqual(there.map(() => 101));
    expect((await knock(cluster.node(0).port, '/ws?user=orphan')).status).toBe(429);
    cluster.nodes.pop();
    dying.process.signal('SIGKILL');
    const from = performance.now();
    const client = await until(
      async () => {
        const { status, client: newcomer } = await knock(cluster.node(0).port, '/ws?user=orphan');
        return status === 101 ? newcomer : null;
      },
      { timeoutMs: LEASE_MS + 1000 },
    );
    expect(performance.now() - from).toBeLessThan(LEASE_MS + 500);
    await gone([client]);
  });

  it('replaces the oldest, wherever it is, where that is what it does', async () => {
    const clients: RawClient[] = [];
    for (let n = 0; n < 3 * MAX_PER_USER; n++) {
      clients.push(await RawClient.opened({ port: replacing.node(n % 2).port, path: '/ws?user=eager' }));
      const openedAt = performance.now();
      await until(async () => (await replacing.node(0).list('user=eager')).total <= MAX_PER_USER);
      // Which of two on different nodes is older, the nodes know to within the time that Redis' answer about its clock took.
      await until(() => performance.now() - openedAt > APART_MS);
    }
    const ends = endsOf(clients);
    await until(() => ends.size === 2 * MAX_PER_USER);
    const oldest = Array.from({ length: 2 * MAX_PER_USER }, (_, place) => [place, 4502] as const);
    expect([...ends].toSorted(([left], [right]) => left - right)).toEqual(oldest);
    await gone(clients.slice(2 * MAX_PER_USER));
  });
});
