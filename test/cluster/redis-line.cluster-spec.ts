// Measures: heartbeats of clients over a slow line.
/** The line to Redis is slow, or carries nothing: the nodes stay what they are, and are one again when it is well. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { DelayingProxy } from '../support/faults/delaying-proxy.js';
import { fixedHeartbeat, type HeartbeatWatch, NO_HARM } from '../support/clients/heartbeat-watch.js';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { LEASE_MS, REQUEST_TIMEOUT_MS, TestCluster, watchHeartbeats } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

const EACH = 100;
/** Of each direction. */
const DELAY_MS = 100;
const INTERVAL_MS = 2000;
const WHOLE_MS = 5000;
/** The tolerance of a busy machine. */
const HICCUP_MS = 500;

let line: DelayingProxy;
let cluster: TestCluster;
let watch: HeartbeatWatch;

beforeAll(async () => {
  const redis = await RedisServer.start();
  line = await DelayingProxy.start({ targetPort: redis.port, delayMs: DELAY_MS });
  const options = { heartbeat: fixedHeartbeat(INTERVAL_MS), limits: { maxPerUser: 2 } };
  cluster = await TestCluster.start({ redisUrl: redis.urlBy(line.port), options });
  watch = await watchHeartbeats(cluster, EACH, INTERVAL_MS);
}, 240_000);
afterAll(async () => {
  await TestCluster.stopAll();
  await line.close();
  await RedisServer.stopAll();
});
beforeEach(() => watch.begin());

describe('a line to Redis', () => {
  it('with a round trip of 200 ms slows down answers, and nothing else', async () => {
    for (const node of cluster.nodes) expect((await node.list('limit=500')).total).toBe(3 * EACH);
    const clients = await Promise.all(
      [0, 1, 2, 0, 1].map(async index => {
        const client = new RawClient({ port: cluster.node(index).port, path: '/ws?user=eager' });
        return { client, status: (await client.open()).status };
      }),
    );
    expect(clients.filter(({ status }) => status === 101)).toHaveLength(2);
    const [id = ''] = await cluster.node(2).ids('user=eager');
    expect((await cluster.node(2).kick(id)).status).toBe(200);
    const from = performance.now();
    await until(() => performance.now() > from + 2 * LEASE_MS, { timeoutMs: 3 * LEASE_MS });
    expect((await cluster.node(1).list('limit=1')).nodes.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
    for (const { client } of clients) client.destroy();
    expect(await watch.harm()).toEqual(NO_HARM);
  }, 240_000);

  it('that carries nothing for longer than a lease, and closes nothing, costs no client', async () => {
    line.blackHole();
    for (const node of cluster.nodes) {
      const from = performance.now();
      const client = await RawClient.opened({ port: node.port, path: '/ws?user=newcomer' });
      expect(performance.now() - from).toBeLessThan(REQUEST_TIMEOUT_MS + HICCUP_MS);
      client.destroy();
    }
    const from = performance.now();
    await until(() => performance.now() > from + 2 * LEASE_MS, { timeoutMs: 3 * LEASE_MS });
    const { total, nodes } = await cluster.node(0).list('limit=1');
    expect(total).toBe(EACH);
    expect(nodes.filter(({ status }) => status === 'ok')).toHaveLength(1);
    line.heal();
    await cluster.whole(3 * EACH, { timeoutMs: WHOLE_MS });
    expect(await watch.harm()).toEqual(NO_HARM);
  }, 240_000);
});
