/** The commands of nodes, counted by Redis itself: a fixed number for each node in a second, none for a heartbeat or a message. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import type { Clients } from '../support/clients/clients.js';
import { fixedHeartbeat } from '../support/clients/heartbeat-watch.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

const EACH = 300;
const REST_MS = 3000;
/** A lease is renewed each second: one renewal more or less may fall into the time. */
const SLACK = 1.4;

/** So many come and go on each node. */
const COMING = 100;

let redis: RedisServer;
let cluster: TestCluster;
let allClients: Clients[];
let ofThree: number;

beforeAll(async () => {
  redis = await RedisServer.start();
}, 240_000);
afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

/** Calls of every command in a second of `REST_MS`, and all of them together. */
async function callsEachSecond(meanwhile: () => Promise<unknown> = async () => undefined): Promise<number> {
  await redis.resetCounts();
  const from = performance.now();
  await meanwhile();
  await until(() => performance.now() > from + REST_MS, { timeoutMs: 2 * REST_MS });
  const seconds = (performance.now() - from) / 1000;
  const counts = await redis.commandCounts();
  const calls = Object.values(counts).reduce((sum, count) => sum + count, 0) / seconds;
  process.stderr.write(`${calls.toFixed(1)} commands a second: ${JSON.stringify(counts)} in ${seconds.toFixed(1)} s\n`);
  return calls;
}

describe('Redis', () => {
  it('is asked as often for each node as for one, and not more for 900 connections that beat and talk', async () => {
    const options = { heartbeat: fixedHeartbeat(1000), limits: { maxPerUser: 1000 } };
    cluster = await TestCluster.start({ redisUrl: redis.url, options, size: 1 });
    const ofOne = await callsEachSecond();
    expect(ofOne).toBeLessThan(20);

    await Promise.all([cluster.add(), cluster.add()]);
    await cluster.whole(0);
    ofThree = await callsEachSecond();
    expect(ofThree).toBeLessThan(3 * ofOne * SLACK);

    allClients = await Promise.all(cluster.nodes.map(node => node.openClients(EACH, { path: '/ws?user={n}' })));
    await cluster.whole(3 * EACH);
    const busy = await callsEachSecond(async () => {
      for (const clients of allClients) await clients.send({ text: '{"event":"echo","data":"hello"}' });
    });
    expect(busy).toBeLessThan(ofThree * SLACK);
    const pings = (await Promise.all(allClients.map(clients => clients.pings()))).flat(2);
    expect(pings.length).toBeGreaterThan(3 * EACH);
    const { items } = await cluster.node(0).list('sort=messagesIn&order=asc&limit=1');
    expect(items).toEqual([expect.objectContaining({ messagesIn: 1 })]);
  }, 240_000);

  it('is asked a bounded number of times for each opening and closing where users are limited', async () => {
    const numbers = Array.from({ length: COMING }, (_, index) => EACH + index);
    const seconds = REST_MS / 1000;
    const busy = await callsEachSecond(async () => {
      await Promise.all(
        cluster.nodes.map(async ({ port }, index) => {
          await allClients[index]!.open({ port, count: COMING, path: '/ws?user=user{n}' });
          await allClients[index]!.leave(numbers);
        }),
      );
      await cluster.whole(3 * EACH);
    });
    const forEach = ((busy - ofThree) * seconds) / (3 * COMING);
    process.stderr.write(`${forEach.toFixed(1)} commands for an opening and its closing, those in scripts counted\n`);
    expect(forEach).toBeGreaterThan(1);
    expect(forEach).toBeLessThan(20);
  }, 240_000);
});
