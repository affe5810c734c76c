// Measures: how soon a dead node is absent.
/** Nodes that freeze, die or leave: the others tell the truth about them, in time. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import type { Clients } from '../support/clients/clients.js';
import { RedisServer } from '../support/redis/redis-server.js';
import {
  LEASE_MS,
  type Listing,
  REQUEST_TIMEOUT_MS,
  TestCluster,
  type TestNode,
} from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

const EACH = 300;
/** The promise: the cluster is complete within 5 s. */
const WHOLE_MS = 5000;
/** The tolerance of a busy machine for a response. */
const HICCUP_MS = 500;
/** Rows of a page: more than close between two steps of a list. */
const LIMIT = 20;

let cluster: TestCluster;
let allClients: Clients[];

beforeAll(async () => {
  const redis = await RedisServer.start();
  const drain = { spreadMs: 1000, closeTimeoutMs: 500, deadlineMs: 5000 };
  cluster = await TestCluster.start({ redisUrl: redis.url, options: { drain } });
  allClients = await Promise.all(cluster.nodes.map(node => node.openClients(EACH)));
  await cluster.whole(3 * EACH);
}, 240_000);

afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

interface Seen extends Listing {
  /** When it was asked for, and how long that took. */
  readonly askedAt: number;
  readonly tookMs: number;
}

/** Requests lists from nodes repeatedly, and keeps the responses. */
class Onlooker {
  readonly seen: Seen[] = [];
  #isOver = false;
  readonly #running: Promise<unknown>;

  constructor(nodes: readonly TestNode[]) {
    this.#running = Promise.all(nodes.map(node => this.#look(node)));
  }

  async stop(): Promise<Seen[]> {
    this.#isOver = true;
    await this.#running;
    return this.seen;
  }

  async #look(node: TestNode): Promise<void> {
    while (!this.#isOver) {
      const askedAt = performance.now();
      const listing = await node.list(`limit=${LIMIT}`);
      this.seen.push({ ...listing, askedAt, tookMs: performance.now() - askedAt });
      await until(() => performance.now() > askedAt + 50);
    }
  }
}

/** The facts of every response: it does not wait for silent nodes, counts no connection twice, and shows those that live. */
function expectSane(seen: readonly Seen[], living: readonly string[], most: number): void {
  for (const { total, nodes, items, tookMs } of seen) {
    expect(tookMs).toBeLessThan(REQUEST_TIMEOUT_MS + HICCUP_MS);
    // Keys come first, rows after: the connection of a row may close in between, while its node drains or dies.
    expect(items.length).toBeGreaterThan(0);
    expect(items.length).toBeLessThanOrEqual(LIMIT);
    expect(new Set(nodes.map(({ id }) => id)).size).toBe(nodes.length);
    expect(total).toBeLessThanOrEqual(most);
    const ok = nodes.filter(({ status }) => status === 'ok').map(({ id }) => id);
    expect(ok).toEqual(expect.arrayContaining([...living]));
  }
}

async function idOf(node: TestNode): Promise<string> {
  const [id = ''] = await node.ids();
  return id.slice(0, id.lastIndexOf('.'));
}

describe('a node', () => {
  it('that freezes for longer than its lease is absent meanwhile, and is not counted twice when it resumes', async () => {
    const [first, second, third] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    const [frozen, ...living] = await Promise.all([third, first, second].map(idOf));
    const onlooker = new Onlooker([first, second]);
    third.process.signal('SIGSTOP');
    const frozenAt = performance.now();
    await until(() => performance.now() > frozenAt + LEASE_MS + 2000, { timeoutMs: LEASE_MS + 3000 });
    third.process.signal('SIGCONT');
    const thawedAt = performance.now();
    await cluster.whole(3 * EACH, { timeoutMs: WHOLE_MS });
    const seen = await onlooker.stop();
    expectSane(seen, living, 3 * EACH);
    const afterLease = seen.filter(({ askedAt }) => askedAt > frozenAt + LEASE_MS && askedAt < thawedAt - 100);
    expect(afterLease.length).toBeGreaterThan(10);
    expect(afterLease.filter(({ nodes }) => nodes.some(({ id }) => id === frozen))).toEqual([]);
    expect(new Set(afterLease.map(({ total }) => total))).toEqual(new Set([2 * EACH]));
    expect(await allClients[2]?.ended()).toEqual([]);
  });

  it('that is killed is absent from every response within the lease', async () => {
    const [first, second, third] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    const [dead = '', ...living] = await Promise.all([third, first, second].map(idOf));
    const [id = ''] = await third.ids();
    const onlooker = new Onlooker([first, second]);
    third.process.signal('SIGKILL');
    const killedAt = performance.now();
    expect((await first.kick(id)).status).toBe(202);
    await until(() => performance.now() > killedAt + LEASE_MS + 1000, { timeoutMs: LEASE_MS + 2000 });
    const seen = await onlooker.stop();
    expectSane(seen, living, 3 * EACH);
    const named = seen.filter(({ nodes }) => nodes.some(node => node.id === dead));
    expect(named.filter(({ askedAt }) => askedAt > killedAt + LEASE_MS)).toEqual([]);
    expect(named.some(({ nodes }) => nodes.some(node => node.id === dead && node.status === 'timeout'))).toBe(true);
    expect((await second.kick(id)).status).toBe(404);
    expect((await second.ask(`connections/${id}`)).status).toBe(404);
  });

  it('that comes in its place is another one', async () => {
    const dead = cluster.nodes.pop();
    const replacement = await cluster.add();
    expect(replacement.name).toBe(dead?.name);
    allClients[2] = await replacement.openClients(EACH);
    await cluster.whole(3 * EACH);
  });

  it('and another one that drain at once tell each client, and are gone when they have', async () => {
    const [first, second, third] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    const [living = ''] = await Promise.all([first].map(idOf));
    const onlooker = new Onlooker([first]);
    for (const node of [second, third]) node.process.signal('SIGTERM');
    const exits = await Promise.all([second, third].map(({ process }) => process.exited));
    expect(exits.map(({ code }) => code)).toEqual([0, 0]);
    await cluster.whole(EACH, { nodes: [first], timeoutMs: 1000 });
    expectSane(await onlooker.stop(), [living], 3 * EACH);
    for (const clients of [allClients[1], allClients[2]]) {
      const codes = (await clients?.ended())?.map(({ code }) => code);
      expect(codes).toEqual(Array.from({ length: EACH }, () => 1001));
    }
    expect(await allClients[0]?.ended()).toEqual([]);
  });
});
