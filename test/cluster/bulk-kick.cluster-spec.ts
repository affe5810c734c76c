/** A kick of many over three nodes, while clients come and go, Redis is frozen, and a node dies. The clients count the closes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Answer } from '../support/clients/ask.js';
import { Clients, type ClientsEnd } from '../support/clients/clients.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster, type TestNode } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

/** Clients of each node that are kicked. */
const EACH = 700;
/** Clients of each node that are not. */
const OTHERS = 50;
/** Kicks a second: slow enough for the death of a node in the middle. */
const PER_SECOND = 300;

interface JobNode {
  readonly node: string;
  readonly state: string;
  readonly matched: number;
  readonly closed: number;
  readonly gone: number;
  readonly lost: number;
}
interface Job extends Omit<JobNode, 'node'> {
  readonly failed: number;
  readonly endedAt: string | null;
  readonly nodes: readonly JobNode[];
}

let redis: RedisServer;
let cluster: TestCluster;
let others: Clients[];

beforeAll(async () => {
  redis = await RedisServer.start();
  cluster = await TestCluster.start({
    redisUrl: redis.url,
    options: { limits: { maxConnections: 20_000, handshakeTimeoutMs: 60_000 } },
  });
  others = await openEach('/ws?user=other-{n}&team=blue', OTHERS);
}, 120_000);

afterAll(async () => {
  redis?.resume();
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

/** Clients of each node. */
const openEach = (path: string, count: number) =>
  Promise.all(
    cluster.nodes.map((node, index) => node.openClients(count, { path: path.replace('{node}', String(index)) })),
  );

/** More clients that are not kicked, of the first nodes. */
async function openMore(path: string, count: number, nodes = cluster.nodes.length): Promise<void> {
  await Promise.all(
    others.slice(0, nodes).map((clients, index) => clients.open({ port: cluster.node(index).port, path, count })),
  );
}

function post(node: TestNode, body: object): Promise<Answer> {
  const headers = { authorization: 'Bearer do', 'content-type': 'application/json' };
  return node.ask('kicks', { method: 'POST', headers, body: JSON.stringify(body) });
}

async function planned(node: TestNode, team: string): Promise<{ token: string; matched: number; share: number }> {
  const { status, json } = await post(node, { filter: { labels: { team } }, dryRun: true });
  expect([status, json.silent]).toEqual([200, []]);
  return json;
}

const jobOf = async (node: TestNode, id: string): Promise<Job> => (await node.ask(`kicks/${id}`)).json as Job;

async function ended(node: TestNode, id: string): Promise<Job> {
  let job: Job | undefined;
  await until(async () => ((job = await jobOf(node, id)), job.endedAt != null), {
    timeoutMs: 60_000,
    message: () => `the end of ${JSON.stringify(job)}`,
  });
  return job!;
}

const count = (of: readonly ClientsEnd[]) => of.filter(({ code }) => code === 4500).length;

/** The ends of the clients of each node by code, once there are so many with the code 4500. */
async function endsOf(all: readonly Clients[], closed: readonly number[]): Promise<ClientsEnd[][]> {
  let ends: ClientsEnd[][] = [];
  await until(
    async () => {
      ends = await Promise.all(all.map(clients => clients.ended()));
      return ends.every((of, index) => count(of) >= closed[index]!);
    },
    { timeoutMs: 20_000, message: () => `${closed.join()} closes, of ${ends.map(count).join()}` },
  );
  expect(ends.map(count)).toEqual(closed);
  return ends;
}

describe('a bulk kick', () => {
  it('is started once by two nodes at once, and ends with all of its counts while Redis is frozen in the middle', async () => {
    const clients = await openEach('/ws?user=green-{node}-{n}&team=green', 300);
    await cluster.whole(3 * (300 + OTHERS));
    const { token, matched, share } = await planned(cluster.node(0), 'green');
    expect([matched, share]).toEqual([900, 900 / (3 * (300 + OTHERS))]);
    await openMore('/ws?user=late-{n}&team=green', 10);
    const starts = await Promise.all(cluster.nodes.map(node => post(node, { token, perSecond: 200 })));
    expect(starts.filter(({ status }) => status === 409)).toHaveLength(2);
    const id = starts.find(({ status }) => status === 202)!.json.job as string;
    await until(async () => (await jobOf(cluster.node(1), id)).closed > 100);
    redis.pause();
    await until(async () => ((await cluster.node(0).list('limit=1')) as { degraded?: true }).degraded === true);
    expect(await jobOf(cluster.node(2), id)).toMatchObject({ state: 'running' });
    const kicked = async () => (await Promise.all(clients.map(each => each.ended()))).flat().length;
    const before = await kicked();
    await until(async () => (await kicked()) > before + 100, { timeoutMs: 20_000 });
    redis.resume();
    const job = await ended(cluster.node(0), id);
    expect(job).toMatchObject({ state: 'done', matched: 900, closed: 900, gone: 0, failed: 0, lost: 0 });
    for (const node of cluster.nodes) expect(await jobOf(node, id)).toEqual(job);
    const ends = await endsOf(clients, [300, 300, 300]);
    expect(ends.map(of => of.length)).toEqual([300, 300, 300]);
    expect((await Promise.all(others.map(each => each.ended()))).flat()).toEqual([]);
    await Promise.all(clients.map(each => each.stop()));
  }, 120_000);

  it('closes just the bound ones while clients come and go, and names a node that is killed', async () => {
    const clients = await openEach('/ws?user=red-{node}-{n}&team=red', EACH);
    await cluster.whole(undefined, { timeoutMs: 30_000 });
    const { token, matched } = await planned(cluster.node(2), 'red');
    expect(matched).toBe(3 * EACH);
    const [early, during] = [range(0, 40), range(EACH - 40, EACH)];
    await openMore('/ws?user=late-{n}&team=red', 40);
    await Promise.all(clients.map(each => each.leave(early)));
    const { status, json } = await post(cluster.node(2), { token, perSecond: PER_SECOND });
    expect(status).toBe(202);
    const id = json.job as string;
    const [one, , doomed] = cluster.nodes as [TestNode, TestNode, TestNode];
    const comers = openMore('/ws?user=come-{n}&team=red', 100, 2);
    await Promise.all(clients.map(each => each.leave(during)));
    await until(async () => (await jobOf(one, id)).closed > 400, { timeoutMs: 30_000 });
    doomed.process.signal('SIGKILL');
    const job = await ended(one, id);
    expect(job).toMatchObject({ state: 'done', matched: 3 * EACH, failed: 0 });
    const nodeOf = (name: string) => job.nodes.find(({ node }) => node.startsWith(`${name}-`))!;
    const [first, second, third] = cluster.nodes.map(({ name }) => nodeOf(name)) as [JobNode, JobNode, JobNode];
    expect([first.state, second.state, third.state]).toEqual(['done', 'done', 'lost']);
    expect(third.lost).toBe(EACH - third.closed - third.gone);
    expect(third.lost).toBeGreaterThan(0);
    expect(job.lost).toBe(third.lost);
    for (const { closed, gone, lost } of [first, second]) expect([closed + gone, lost]).toEqual([EACH, 0]);
    const ends = await endsOf(clients.slice(0, 2), [first.closed, second.closed]);
    for (const of of ends) {
      expect(new Set(of.map(({ index }) => index)).size).toBe(EACH);
      const left = of.filter(({ code }) => code !== 4500);
      expect(left.filter(({ index, code }) => !(code === 1000 && [...early, ...during].includes(index)))).toEqual([]);
    }
    await comers;
    expect((await Promise.all(others.slice(0, 2).map(each => each.ended()))).flat()).toEqual([]);
    process.stderr.write(`a bulk kick of ${matched}: ${JSON.stringify(job.nodes)}\n`);
  }, 300_000);
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, place) => from + place);
}
