/** Lists over three nodes with 900 clients are the truth, which the clients know: page by page, from any node, while others come and go. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConnectionView, SortKey } from 'nestjs-heartbeat';
import { Clients, machineMs } from '../support/clients/clients.js';
import { fixedHeartbeat } from '../support/clients/heartbeat-watch.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { TestCluster, type TestNode, walk } from '../support/servers/test-cluster.js';
import { until } from '../support/assert/until.js';

/** Slow enough that clients that answer nothing are connected until the end. */
const INTERVAL_MS = 20_000;
const HEARTBEAT = fixedHeartbeat(INTERVAL_MS, { missedPongs: 10 });
/** Added to each direction of the slow clients' line. */
const SLOW_MS = 1000;
/** The data for a client that does not read: more than the kernel takes. */
const FLOOD_BYTES = 16_000_000;
/** Of each node. */
const SIZES = { red: 130, blue: 80, talking: 20, slow: 10, deaf: 1, silent: 7, fickle: 40, young: 10 } as const;
type Group = keyof typeof SIZES;
/** Those that stay as they are: whatever is asked meanwhile, each is there exactly once. */
const STEADY = ['red', 'blue', 'talking', 'slow', 'deaf'] as const;

const SORTS = [
  'openedAt',
  'lastSeenAt',
  'lastMessageAt',
  'rttMs',
  'bufferedBytes',
  'messagesIn',
  'messagesOut',
] as const;

/** Shorter than what has passed since the set-up, and longer than what a question takes. */
const LATELY_MS = 5000;
/** So many come and go on each node in this time. */
const AT_ONCE = 4;
const ROUND_MS = 100;

let cluster: TestCluster;
/** One for each node, with clients of all groups. */
let allClients: Clients[];
/** The numbers of a group's clients, for each node. */
const numbers = new Map<Group, number[]>();
/** The fickle clients that are connected, and the number of the last client, in each group. */
let fickle: number[][];
let last: number[];

/** The users of a group: its name, the node, the number of the client. */
const users = (group: Group): string[] =>
  allClients.flatMap((_, node) => (numbers.get(group) ?? []).map(number => `${group}-${node}-${number}`));

async function open(group: Group, more: { path?: string; delayMs?: number; from?: string[] } = {}): Promise<void> {
  const { path = '/ws', ...rest } = more;
  const first = [...numbers.values()].flat().length;
  numbers.set(
    group,
    Array.from({ length: SIZES[group] }, (_, index) => first + index),
  );
  await Promise.all(
    cluster.nodes.map(({ port }, index) =>
      allClients[index]!.open({
        port,
        count: SIZES[group],
        path: `${path}?user=${group}-${index}-{n}&team=${group}`,
        ...rest,
      }),
    ),
  );
}

/** The time since which only talking clients have been sent requests. */
let settledMs = Infinity;
/** An earlier request may still have been answered a moment later. */
const allAreOld = () => machineMs() > settledMs + 2 * LATELY_MS;

beforeAll(async () => {
  const redis = await RedisServer.start();
  const backpressure = { maxBufferedBytes: 64_000_000, slowAfterMs: 120_000 };
  // Long enough for a busy machine: here no node is to be silent.
  const options = { heartbeat: HEARTBEAT, backpressure, cluster: { requestTimeoutMs: 5000 } };
  cluster = await TestCluster.start({ redisUrl: redis.url, options });
  allClients = cluster.nodes.map(() => new Clients({ isShared: true }));
  await open('red', { from: ['127.0.1.1', '127.0.1.2'] });
  await open('blue', { path: '/other', from: ['127.0.2.1'] });
  await open('slow', { delayMs: SLOW_MS });
  await open('silent');
  await open('deaf');
  await open('talking');
  await open('fickle');
  fickle = allClients.map(() => [...(numbers.get('fickle') ?? [])]);
  last = fickle.map(present => present.at(-1) ?? 0);
  for (const clients of allClients) {
    await clients.pause(numbers.get('deaf') ?? []);
    await clients.send({ text: `{"event":"flood","data":${FLOOD_BYTES}}`, indices: numbers.get('deaf') ?? [] });
  }
  for (const clients of allClients) await clients.silence(numbers.get('silent') ?? []);
  // On a busy machine the flood may hold up a node for longer than its lease.
  await cluster.whole();
  settledMs = machineMs();
}, 240_000);

afterAll(async () => {
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

/** While `work` runs, the fickle leave and others like them come, on all nodes. */
async function whileTheyComeAndGo<Result>(work: () => Promise<Result>): Promise<Result> {
  const over = new AbortController();
  let rounds = 0;
  const comeAndGo = async (clients: Clients, { port }: TestNode, index: number): Promise<void> => {
    while (!over.signal.aborted) {
      const from = machineMs();
      await clients.leave(fickle[index]!.splice(0, AT_ONCE));
      const path = `/ws?user=fickle-${index}-{n}&team=fickle`;
      await clients.open({ port, count: AT_ONCE, path });
      for (let n = 0; n < AT_ONCE; n++) fickle[index]!.push(++last[index]!);
      rounds += 1;
      await until(() => machineMs() > from + ROUND_MS);
    }
  };
  const running = cluster.nodes.map((node, index) => comeAndGo(allClients[index]!, node, index));
  try {
    await until(() => rounds > 3);
    return await work();
  } finally {
    over.abort();
    await Promise.all(running);
  }
}

const steadyUsers = (items: readonly ConnectionView[]): string[] =>
  items
    .map(({ userId }) => userId ?? '')
    .filter(userId => STEADY.some(group => userId.startsWith(`${group}-`)))
    .toSorted();

/** The value of a key as rows are sorted by it; null is last in either order. */
function valueOf(view: ConnectionView, sort: SortKey): number | null {
  const value = view[sort];
  return typeof value === 'string' ? Date.parse(value) : value;
}

function isSorted(items: readonly ConnectionView[], sort: SortKey, order: string): boolean {
  return items.every((item, index) => {
    const before = items[index - 1];
    if (before === undefined) return true;
    const [left, right] = [valueOf(before, sort), valueOf(item, sort)];
    if (right === null) return true;
    if (left === null) return false;
    return order === 'asc' ? left <= right : left >= right;
  });
}

const onNode = (index: number) => STEADY.flatMap(users).filter(user => user.split('-')[1] === `${index}`);
const silentOf = (items: readonly ConnectionView[]) => items.filter(({ userId }) => userId?.startsWith('silent-'));

describe('filtered by', () => {
  const cases: [filter: string, query: string, expected: () => string[]][] = [
    ['user', 'user=red-2-77', () => ['red-2-77']],
    ['label', 'label.team=blue', () => users('blue')],
    ['path', 'path=/other', () => users('blue')],
    ['address', 'ip=127.0.1.2', () => users('red').filter(user => Number(user.split('-')[2]) % 2 === 1)],
    ['network', 'ip=127.0.1.0/24', () => users('red')],
    ['name of a node', 'node=node2', () => onNode(1)],
    ['two at once', 'ip=127.0.0.0/16&label.team=talking', () => users('talking')],
    ['minBufferedBytes', 'minBufferedBytes=1000000', () => users('deaf')],
    ['nothing that there is', 'user=nobody', () => []],
  ];

  it.each(cases)('%s: it lists those that match, and no other', async (_, query, expected) => {
    const items = await whileTheyComeAndGo(() => walk(cluster.nodes, query, 30));
    expect(steadyUsers(items)).toEqual(expected().toSorted());
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
  });

  it('minIdleMs: it lists clients without recent messages', async () => {
    await until(allAreOld, { timeoutMs: 3 * LATELY_MS });
    for (const clients of allClients)
      await clients.send({ text: '{"event":"echo"}', indices: numbers.get('talking') ?? [] });
    const items = await walk(cluster.nodes, `minIdleMs=${LATELY_MS}`);
    expect(steadyUsers(items)).toEqual(
      STEADY.filter(group => group !== 'talking')
        .flatMap(users)
        .toSorted(),
    );
  });

  it('minAgeMs: it lists clients that did not connect recently', async () => {
    await until(allAreOld, { timeoutMs: 3 * LATELY_MS });
    await open('young');
    const items = await walk(cluster.nodes, `minAgeMs=${LATELY_MS}`);
    expect(steadyUsers(items)).toEqual(STEADY.flatMap(users).toSorted());
    expect(items.filter(({ userId }) => userId?.startsWith('young'))).toEqual([]);
  });

  it('the id of a node', async () => {
    const answers = (await cluster.node(0).list('limit=1')).nodes;
    const id = answers[2]?.id ?? '';
    const items = await walk(cluster.nodes, `node=${id}`);
    expect(new Set(items.map(({ node }) => node))).toEqual(new Set([id]));
    expect(items).toHaveLength(answers[2]?.connections ?? 0);
  });
});

describe('sorted by openedAt, while clients come and go', () => {
  it.each([
    ['asc', 45],
    ['desc', 150],
  ])(
    '%s, %d on a page: each that stays is listed once, whichever node is queried for the next page',
    async (order, limit) => {
      const items = await whileTheyComeAndGo(() => walk(cluster.nodes, `order=${order}`, limit));
      expect(steadyUsers(items)).toEqual(STEADY.flatMap(users).toSorted());
      expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
      expect(isSorted(items, 'openedAt', order)).toBe(true);
    },
  );
});

describe('sorted by a key that moves', () => {
  it.each(SORTS)('%s, in either order: each whose value did not move meanwhile is there once', async sort => {
    const [before, ascending, descending, after] = await whileTheyComeAndGo(async () => [
      await walk(cluster.nodes, ''),
      await walk(cluster.nodes, `sort=${sort}&order=asc`, 90),
      await walk(cluster.nodes, `sort=${sort}&order=desc`, 90),
      await walk(cluster.nodes, ''),
    ]);
    const later = new Map(after.map(view => [view.id, valueOf(view, sort)]));
    const unmoved = before.filter(view => later.get(view.id) === valueOf(view, sort)).map(({ id }) => id);
    expect(unmoved.length).toBeGreaterThan(100);
    expect([isSorted(ascending, sort, 'asc'), isSorted(descending, sort, 'desc')]).toEqual([true, true]);
    for (const items of [ascending, descending]) {
      const times = new Map<string, number>();
      for (const { id } of items) times.set(id, (times.get(id) ?? 0) + 1);
      expect(unmoved.filter(id => times.get(id) !== 1)).toEqual([]);
    }
  });
});

describe('filtered by what takes a heartbeat to know', () => {
  it('minRttMs: it lists those with a slow line', async () => {
    const isComplete = async () => (await cluster.node(0).list('minRttMs=1500')).total >= 3 * SIZES.slow;
    await until(isComplete, { timeoutMs: INTERVAL_MS });
    expect(steadyUsers(await walk(cluster.nodes, 'minRttMs=1500'))).toEqual(users('slow').toSorted());
  });

  it('state: a client that does not answer is probing, one whose close has begun is closing', async () => {
    const probing = (): Promise<ConnectionView[]> => walk(cluster.nodes, 'state=probing');
    await until(async () => silentOf(await probing()).length === 3 * SIZES.silent, { timeoutMs: INTERVAL_MS });
    const items = await probing();
    expect(new Set(items.map(({ state }) => state))).toEqual(new Set(['probing']));
    const kicked = (await walk(cluster.nodes, 'label.team=silent')).map(({ id }) => id);
    await Promise.all(kicked.map((id, index) => cluster.node(index % 3).kick(id)));
    const closing = await walk(cluster.nodes, 'state=closing');
    expect(silentOf(closing)).toHaveLength(3 * SIZES.silent);
    expect(new Set(closing.map(({ state }) => state))).toEqual(new Set(['closing']));
  });
});

describe('the answer', () => {
  it('counts the matches of all pages, and names every node with its connections', async () => {
    const { items, total, nodes } = await cluster.node(1).list('limit=1&label.team=red');
    expect([items.length, total]).toEqual([1, 3 * SIZES.red]);
    expect(nodes.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
    expect(new Set(nodes.map(({ id }) => id)).size).toBe(3);
    expect(nodes.every(({ connections }) => connections >= SIZES.red + SIZES.blue)).toBe(true);
  });
});
