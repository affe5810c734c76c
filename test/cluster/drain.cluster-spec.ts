/** Drains by hand of other nodes: a rolling drain through one node, and Redis lost and frozen in the middle. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ClusterNode, DrainPlan } from 'nestjs-heartbeat';
import { performance } from 'node:perf_hooks';

import { until, watchMachine } from '../support/assert/until.js';
import type { Answer } from '../support/clients/ask.js';
import type { Clients } from '../support/clients/clients.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { REQUEST_TIMEOUT_MS, TestCluster, type TestNode } from '../support/servers/test-cluster.js';

const EACH = 60;
const NODES = ['node1', 'node2', 'node3'];
/** The promise: the cluster is complete within 5 s of Redis' return. */
const WHOLE_MS = 5000;
/** The tolerance of a busy machine for a response. */
const HICCUP_MS = 500;

let redis: RedisServer;
let cluster: TestCluster;
let one: TestNode;
let two: TestNode;

beforeAll(async () => {
  redis = await RedisServer.start();
  const options = { drain: { spreadMs: 400, closeTimeoutMs: 300, deadlineMs: 1500 } };
  cluster = await TestCluster.start({ redisUrl: redis.url, options });
  [one, two] = [cluster.node(0), cluster.node(1)];
}, 60_000);
afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});
afterEach(async () => {
  two.process.signal('SIGCONT');
  for (const node of cluster.nodes) await node.ask('drain', { method: 'DELETE' }).catch(() => undefined);
  await Promise.all(opened.splice(0).map(clients => clients.stop()));
  await cluster.whole(0);
});

const opened: Clients[] = [];

async function openClients(node: TestNode, count = EACH): Promise<Clients> {
  const clients = await node.openClients(count);
  opened.push(clients);
  return clients;
}

function drain(through: TestNode, body: object): Promise<Answer> {
  const headers = { authorization: 'Bearer do', 'content-type': 'application/json' };
  return through.ask('drain', { method: 'POST', headers, body: JSON.stringify(body) });
}

const show = (through: TestNode, node: string): Promise<Answer> => through.ask(`drain?node=${node}`);
const abort = (through: TestNode, node: string) => through.ask(`drain?node=${node}`, { method: 'DELETE' });
const planOf = async (through: TestNode, node: string) => (await show(through, node)).json as DrainPlan;
const remaining = async (node: TestNode) => (await planOf(node, node.name)).remaining;
const states = async () => {
  const { items } = (await one.ask('nodes')).json as { items: ClusterNode[] };
  return Object.fromEntries(items.map(({ name, state }) => [name, state]));
};
const auditsOf = ({ process }: TestNode, node: string, what: string) =>
  process.output.split('\n').filter(line => line.includes(`"what":"${what}","target":"${node}-`));

describe('through one node', () => {
  it('three nodes are drained and serve again, one after another; clients of the others stay', async () => {
    const all = await Promise.all(cluster.nodes.map(node => openClients(node)));
    await cluster.whole(3 * EACH);
    for (const [place, name] of NODES.entries()) {
      // A busy machine makes a node absent for a moment, and the last one that serves is not drained.
      await until(async () => Object.values(await states()).filter(state => state === 'up').length === NODES.length);
      const { status, json } = await drain(one, { node: name, spreadMs: 300 });
      expect([status, json]).toEqual([202, expect.objectContaining({ state: 'draining', total: EACH, spreadMs: 300 })]);
      await until(async () => (await states())[name] === 'draining');
      await until(async () => (await planOf(one, name)).state === 'drained');
      expect((await planOf(one, name)).terminated).toBe(0);
      const ends = await all[place]!.ended();
      expect(ends.map(({ code }) => code)).toEqual(ends.map(() => 1001));
      expect(ends).toHaveLength(EACH);
      for (const clients of all.slice(place + 1)) expect(await clients.ended()).toEqual([]);
      expect((await abort(one, name)).json).toMatchObject({ state: 'serving' });
      await until(async () => (await states())[name] === 'up');
      const returned = await openClients(cluster.node(place));
      await until(async () => (await planOf(one, name)).connections === EACH);
      expect(await returned.ended()).toEqual([]);
    }
    const counts = NODES.map(name => cluster.nodes.map(node => auditsOf(node, name, 'drain').length));
    // One entry for each, on the node that was requested.
    expect(counts).toEqual(NODES.map(() => [1, 0, 0]));
    expect(two.process.output).toContain(`drain begins with ${EACH} connections: by hand: ops`);
  });

  it('the last node that serves is drained only with force', async () => {
    for (const node of ['node2', 'node3']) expect((await drain(one, { node })).status).toBe(202);
    await until(async () => Object.values(await states()).filter(state => state === 'up').length === 1);
    for (const body of [{}, { node: 'node1' }]) {
      const { status, json } = await drain(one, body);
      expect([status, json.type]).toEqual([400, 'urn:nestjs-heartbeat:problem:no-serving-node']);
    }
    expect((await drain(two, { node: 'node1' })).status).toBe(400);
    expect(await states()).toMatchObject({ node1: 'up' });
    expect((await drain(two, { node: 'node1', force: true })).status).toBe(202);
    for (const name of NODES) expect((await abort(two, name)).status).toBe(200);
  });

  it('a node that is silent is reported so, and its drain is unconfirmed', async () => {
    const begun = () => two.process.output.split('drain begins').length;
    const before = begun();
    two.process.signal('SIGSTOP');
    const silent = { status: 504, json: { type: 'urn:nestjs-heartbeat:problem:node-silent' } };
    const from = performance.now();
    expect(await Promise.all([show(one, 'node2'), drain(one, { node: 'node2' }), abort(one, 'node2')])).toMatchObject([
      silent,
      silent,
      silent,
    ]);
    expect(performance.now() - from).toBeLessThan(REQUEST_TIMEOUT_MS + HICCUP_MS);
    expect(auditsOf(one, 'node2', 'drain').at(-1)).toContain('"result":"unconfirmed"');
    expect(auditsOf(one, 'node2', 'abort-drain').at(-1)).toContain('"result":"unconfirmed"');
    // The request waits for the node.
    two.process.signal('SIGCONT');
    await until(() => begun() > before);
  });
});

describe.each<[string, () => unknown, () => unknown]>([
  ['lost', () => redis.kill(), () => redis.restart()],
  ['frozen', () => redis.pause(), () => redis.resume()],
])('while Redis is %s in the middle of a drain', (_how, lose, restore) => {
  let lost = false;
  // For the tests after one that has failed.
  afterEach(async () => {
    if (lost) await restore();
  });

  it('the drain goes on, and its progress is readable again after its return', async () => {
    const [clients, others] = [await openClients(two), await openClients(one)];
    await cluster.whole(2 * EACH);
    expect((await drain(one, { node: 'node2', spreadMs: 20_000 })).status).toBe(202);
    await until(async () => (await clients.ended()).length > 2);
    lost = true;
    await lose();
    const [from, stalledMs] = [performance.now(), watchMachine()];
    expect((await show(one, 'node2')).status).toBe(504);
    expect(performance.now() - from).toBeLessThan(REQUEST_TIMEOUT_MS + HICCUP_MS + stalledMs());
    const left = await remaining(two);
    await until(async () => (await remaining(two)) < left - 5);
    expect((await drain(one, { node: 'node2' })).status).toBe(504);
    expect((await drain(two, {})).status).toBe(409);
    await restore();
    lost = false;
    const plan = await until(
      async () => {
        const { status, json } = await show(one, 'node2');
        return status === 200 && (json as DrainPlan);
      },
      { timeoutMs: WHOLE_MS },
    );
    expect(plan).toMatchObject({ state: 'draining', total: EACH, spreadMs: 20_000, reason: 'by hand: ops' });
    expect((await abort(one, 'node2')).json).toMatchObject({ state: 'serving' });
    const ended = await clients.ended();
    expect(ended.map(({ code }) => code)).toEqual(ended.map(() => 1001));
    expect(ended.length).toBeLessThan(EACH);
    expect(await others.ended()).toEqual([]);
  }, 60_000);

  it('a node drains and serves again by its own routes', async () => {
    await openClients(two, 5);
    lost = true;
    await lose();
    expect((await drain(two, { spreadMs: 60_000 })).status).toBe(202);
    expect(await planOf(two, 'node2')).toMatchObject({ state: 'draining', total: 5 });
    expect((await abort(two, 'node2')).status).toBe(200);
    await restore();
    lost = false;
    await cluster.whole(5, { timeoutMs: WHOLE_MS });
  }, 60_000);
});

describe('SIGTERM', () => {
  it('ends a node in time that another one has drained by hand', async () => {
    const three = cluster.node(2);
    const clients = await openClients(three);
    expect((await drain(one, { node: 'node3', spreadMs: 600_000 })).status).toBe(202);
    three.process.signal('SIGTERM');
    expect(await three.process.exited).toMatchObject({ code: 0 });
    const ends = await clients.ended();
    expect(ends.map(({ code }) => code)).toEqual(Array.from({ length: EACH }, () => 1001));
    await until(async () => (await states())['node3'] === undefined);
    expect(await show(one, 'node3')).toMatchObject({ status: 404 });
    cluster.nodes.pop();
  });
});
