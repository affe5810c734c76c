// Runs alone: how soon clusters are complete again.
/** Redis in its other forms: Sentinel and Cluster, and the cost of a failover. No client is lost, and the cluster recovers soon. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { fixedHeartbeat, type Harm, type HeartbeatWatch, NO_HARM } from '../support/clients/heartbeat-watch.js';
import { RedisCluster } from './redis-cluster.js';
import { RedisSentinels } from './redis-sentinels.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster, watchHeartbeats } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

const EACH = 300;
const INTERVAL_MS = 2000;
/** A key of the nodes, and their common channel: with this namespace they lie on different servers. */
const NAMESPACE = 'apart';
const COMMON_CHANNEL = `${NAMESPACE}:all`;
const KEYS = [`{${NAMESPACE}}:nodes`, COMMON_CHANNEL] as const;
/** Longer than a connection may be silent. */
const STEADY_MS = 5000;
/** The promise: the cluster is complete within 5 s of Redis' return. */
const WHOLE_MS = 5000;

afterEach(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

async function started(
  env: Record<string, string>,
  size = 2,
): Promise<{ cluster: TestCluster; watch: HeartbeatWatch }> {
  const options = { heartbeat: fixedHeartbeat(INTERVAL_MS), cluster: { namespace: NAMESPACE } };
  const cluster = await TestCluster.start({ env, size, options });
  return { cluster, watch: await watchHeartbeats(cluster, EACH, INTERVAL_MS) };
}

async function harmOnceWhole(cluster: TestCluster, watch: HeartbeatWatch): Promise<Harm> {
  await cluster.whole(cluster.nodes.length * EACH, { timeoutMs: WHOLE_MS });
  return watch.harm();
}

/** Kicks go from any node to any, so messages pass. */
async function expectKicks({ nodes }: TestCluster): Promise<void> {
  for (const target of nodes) {
    const ids = await target.ids();
    for (const [index, asker] of nodes.entries()) {
      expect((await asker.kick(ids[index] ?? '')).status).toBe(200);
    }
  }
}

describe('nodes', () => {
  it('on Sentinel lose no client when the primary dies and the replica takes its place', async () => {
    const sentinels = await RedisSentinels.start();
    const { cluster, watch } = await started({ SENTINELS: sentinels.ports.join(',') });
    watch.begin();
    await sentinels.failOver();
    expect(await harmOnceWhole(cluster, watch)).toEqual(NO_HARM);
    await expectKicks(cluster);
  }, 240_000);

  it('on a Redis Cluster of six lose no client when the primary of their keys dies, and then another', async () => {
    const redis = await RedisCluster.start();
    const { cluster, watch } = await started({ CLUSTER: redis.urls.join(',') });
    for (const key of KEYS) {
      const primary = await redis.primaryOf(key);
      watch.begin();
      await primary.kill();
      await redis.whole();
      expect(await harmOnceWhole(cluster, watch)).toEqual(NO_HARM);
      if (key !== KEYS.at(-1)) await primary.restart();
      await redis.whole();
    }
    await expectKicks(cluster);
  }, 240_000);

  it('on a Redis Cluster lose no client when the primary of their common channel hangs, its connections open', async () => {
    const redis = await RedisCluster.start();
    // With three, a list is asked of the others by that channel.
    const { cluster, watch } = await started({ CLUSTER: redis.urls.join(',') }, 3);
    const primary = await redis.primaryOf(COMMON_CHANNEL);
    expect(primary).not.toBe(await redis.primaryOf(KEYS[0]));
    watch.begin();
    primary.pause();
    await redis.whole();
    expect(await harmOnceWhole(cluster, watch)).toEqual(NO_HARM);
    await expectKicks(cluster);
    // And it stays so: nothing flaps.
    const turns = cluster.nodes.map(({ process }) => process.output.match(/Redis is lost/g)?.length ?? 0);
    const from = performance.now();
    await until(() => performance.now() > from + STEADY_MS, { timeoutMs: 2 * STEADY_MS });
    expect(cluster.nodes.map(({ process }) => process.output.match(/Redis is lost/g)?.length ?? 0)).toEqual(turns);
    primary.resume();
  }, 240_000);
});
