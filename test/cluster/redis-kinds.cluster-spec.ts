// Runs alone: how soon clusters are complete again.
/** Redis in its other forms: Sentinel and Cluster, and the cost of a failover. No client is lost, and the cluster recovers soon. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fixedHeartbeat, type Harm, type HeartbeatWatch, NO_HARM } from '../support/clients/heartbeat-watch.js';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisCluster } from './redis-cluster.js';
import { RedisSentinels } from './redis-sentinels.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster, watchHeartbeats } from '../support/servers/test-cluster.js';
import { passed } from '../support/assert/until.js';

const EACH = 100;
const INTERVAL_MS = 2000;
/** A key of the nodes, and their common channel: with this namespace they lie on different servers. */
const NAMESPACE = 'apart';
const COMMON_CHANNEL = `${NAMESPACE}:all`;
const KEYS = [`{${NAMESPACE}}:nodes`, COMMON_CHANNEL] as const;
/** Longer than a connection may be silent. */
const STEADY_MS = 5000;
/** The promise: the cluster is complete within 5 s of Redis' return. */
const WHOLE_MS = 5000;

afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

async function started(env: Record<string, string>, size: number): Promise<Started> {
  const options = { heartbeat: fixedHeartbeat(INTERVAL_MS), cluster: { namespace: NAMESPACE } };
  const cluster = await TestCluster.start({ env, size, options });
  return { cluster, watch: await watchHeartbeats(cluster, EACH, INTERVAL_MS) };
}

/** Nodes with clients, and the watch of these. */
interface Started {
  readonly cluster: TestCluster;
  readonly watch: HeartbeatWatch;
}

async function harmOnceWhole(cluster: TestCluster, watch: HeartbeatWatch): Promise<Harm> {
  await cluster.whole(cluster.nodes.length * EACH, { timeoutMs: WHOLE_MS });
  return watch.harm();
}

/** Kicks go from any node to any, so messages pass. */
async function expectKicks({ nodes }: TestCluster): Promise<void> {
  for (const { port } of nodes) {
    for (const asker of nodes) {
      const client = await RawClient.opened({ port, path: '/ws?user=kicked' });
      const [id = ''] = await asker.ids('user=kicked');
      expect((await asker.kick(id)).status).toBe(200);
      expect((await client.ended).code).toBe(4500);
    }
  }
}

/** How often each node has lost Redis. */
const losses = ({ nodes }: TestCluster) => nodes.map(({ process }) => process.output.match(/Redis is lost/g)?.length);

describe('nodes on Sentinel', () => {
  it('lose no client when the primary dies and the replica takes its place', async () => {
    const sentinels = await RedisSentinels.start();
    const { cluster, watch } = await started({ SENTINELS: sentinels.ports.join(',') }, 2);
    watch.begin();
    await sentinels.failOver();
    expect(await harmOnceWhole(cluster, watch)).toEqual(NO_HARM);
    await expectKicks(cluster);
  }, 240_000);
});

describe('nodes on a Redis Cluster of six', () => {
  let redis: RedisCluster;
  let cluster: TestCluster;
  let watch: HeartbeatWatch;

  beforeAll(async () => {
    redis = await RedisCluster.start();
    // With three, a list is asked of the others by their common channel.
    ({ cluster, watch } = await started({ CLUSTER: redis.urls.join(',') }, 3));
  }, 240_000);

  it('lose no client when the primary of their keys dies, and then another', async () => {
    for (const key of KEYS) {
      const primary = await redis.primaryOf(key);
      watch.begin();
      await primary.kill();
      await redis.whole();
      expect(await harmOnceWhole(cluster, watch)).toEqual(NO_HARM);
      await primary.restart();
      await redis.whole();
    }
    await expectKicks(cluster);
  }, 240_000);

  it('lose no client when the primary of their common channel hangs, its connections open', async () => {
    const primary = await redis.primaryOf(COMMON_CHANNEL);
    expect(primary).not.toBe(await redis.primaryOf(KEYS[0]));
    watch.begin();
    primary.pause();
    await redis.whole();
    expect(await harmOnceWhole(cluster, watch)).toEqual(NO_HARM);
    await expectKicks(cluster);
    // And it stays so: nothing flaps.
    const before = losses(cluster);
    await passed(STEADY_MS);
    expect(losses(cluster)).toEqual(before);
    primary.resume();
  }, 240_000);
});
