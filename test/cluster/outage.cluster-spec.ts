// Measures: heartbeats of clients while Redis is lost.
/** Redis fails in every way that it can, under three nodes with 900 clients: no client is lost, no heartbeat is late, and the cluster recovers soon. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { ask } from '../support/clients/ask.js';
import { fixedHeartbeat, type Harm, type HeartbeatWatch, NO_HARM } from '../support/clients/heartbeat-watch.js';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import {
  LEASE_MS,
  REQUEST_TIMEOUT_MS,
  TestCluster,
  type TestNode,
  watchHeartbeats,
} from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

const EACH = 300;
const INTERVAL_MS = 2000;
/** The promise: the cluster is complete within 5 s of Redis' return. */
const WHOLE_MS = 5000;
/** The tolerance of a busy machine for a response. */
const HICCUP_MS = 500;
const PASSWORD = 'right';

let redis: RedisServer;
let cluster: TestCluster;
let watch: HeartbeatWatch;

beforeAll(async () => {
  redis = await RedisServer.start({ password: PASSWORD });
  cluster = await TestCluster.start({ redisUrl: redis.url, options: { heartbeat: fixedHeartbeat(INTERVAL_MS) } });
  watch = await watchHeartbeats(cluster, EACH, INTERVAL_MS);
}, 240_000);

afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

beforeEach(() => watch.begin());

async function pass(ms: number): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() > from + ms, { timeoutMs: ms + 1000 });
}

/** Within five seconds every node sees all again; then, what it has cost. */
async function harmOnceWhole(): Promise<Harm> {
  await cluster.whole(3 * EACH, { timeoutMs: WHOLE_MS });
  return watch.harm();
}

async function readiness({ port }: TestNode): Promise<[status: number, text: string]> {
  const { status, text } = await ask({ port, path: '/health/ready' });
  return [status, text];
}

/** The behaviour of a node alone, without Redis. */
async function expectServesAlone(node: TestNode): Promise<void> {
  const newcomer = await RawClient.opened({ port: node.port, path: '/ws?user=newcomer' });
  const from = performance.now();
  const { items, nodes } = await node.list('user=newcomer');
  expect(performance.now() - from).toBeLessThan(REQUEST_TIMEOUT_MS + HICCUP_MS);
  const id = items[0]?.id ?? '';
  expect(nodes.find(answer => id.startsWith(answer.id))).toMatchObject({ status: 'ok', connections: EACH + 1 });
  expect((await node.kick(id)).status).toBe(200);
  expect((await newcomer.ended).code).toBe(4500);
  await until(async () => (await readiness(node))[1].includes('degraded'), { timeoutMs: LEASE_MS });
  expect((await readiness(node))[0]).toBe(200);
}

describe('without Redis', () => {
  it('killed, away for longer than a lease, and restarted empty', async () => {
    await redis.kill();
    await Promise.all(cluster.nodes.map(expectServesAlone));
    await pass(LEASE_MS);
    await redis.restart();
    expect(await harmOnceWhole()).toEqual(NO_HARM);
    expect((await readiness(cluster.node(0)))[1]).not.toContain('degraded');
  });

  it('frozen for 10 s, its connections open', async () => {
    redis.pause();
    await Promise.all(cluster.nodes.map(expectServesAlone));
    await pass(10_000);
    redis.resume();
    expect(await harmOnceWhole()).toEqual(NO_HARM);
  }, 240_000);

  it('emptied', async () => {
    await redis.command('FLUSHALL');
    await cluster.whole(3 * EACH, { timeoutMs: WHOLE_MS });
    expect(await harmOnceWhole()).toEqual(NO_HARM);
  });

  it('with another password, until it is changed back', async () => {
    await redis.changePassword('another');
    await Promise.all(cluster.nodes.map(expectServesAlone));
    await pass(LEASE_MS);
    await redis.changePassword(PASSWORD);
    expect(await harmOnceWhole()).toEqual(NO_HARM);
    expect(cluster.nodes.map(({ process }) => process.output).join('')).not.toContain(PASSWORD);
  });
});

describe('a node that is started while Redis', () => {
  it('refuses it serves alone', async () => {
    const wrong = await cluster.add({ redisUrl: redis.url.replace(PASSWORD, 'wrong') });
    cluster.nodes.pop();
    const client = await RawClient.opened({ port: wrong.port });
    expect((await wrong.list()).total).toBe(1);
    expect((await readiness(wrong))[0]).toBe(200);
    client.destroy();
    await wrong.process.stop();
  });

  it('is away joins when it is there', async () => {
    await redis.kill();
    const late = await cluster.add();
    expect((await late.list()).nodes.map(({ status }) => status)).toEqual(['ok']);
    await redis.restart();
    await cluster.whole(3 * EACH, { timeoutMs: WHOLE_MS });
    late.process.signal('SIGTERM');
    expect(await late.process.exited).toMatchObject({ code: 0 });
    cluster.nodes.pop();
    expect(await harmOnceWhole()).toEqual(NO_HARM);
  });
});
