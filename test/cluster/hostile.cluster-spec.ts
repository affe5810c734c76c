/** Another program writes on the cluster's channels: messages that are not of a node are counted and dropped, and nothing else happens. */
import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { ConnectionFilter } from 'nestjs-heartbeat';
import type { Clients } from '../support/clients/clients.js';
import { readFileSync } from 'node:fs';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { APART_MS, TestCluster } from '../support/servers/test-cluster.js';
import { readMessage, readRequest } from '../support/servers/wire.js';
import { until } from '../support/assert/until.js';

const EACH = 100;
/** All that nodes say; of requests and replies, what is asked. */
const KINDS = ['keys', 'rows', 'detail', 'kick', 'kick-all', 'reply', 'deliver', 'replace', 'bans'];

let redis: RedisServer;
let cluster: TestCluster;
let allClients: Clients[];
let wire: ReturnType<typeof createClient>;
let channels: string[];
/** The messages between the nodes, of each kind. */
let heard: string[];

beforeAll(async () => {
  redis = await RedisServer.start();
  const limits = { maxPerUser: 1, onUserLimit: 'replace-oldest' } as const;
  cluster = await TestCluster.start({ redisUrl: redis.url, options: { limits } });
  allClients = await Promise.all(cluster.nodes.map(node => node.openClients(EACH)));
  await cluster.whole(3 * EACH);
  wire = createClient({ url: redis.url });
  wire.on('error', () => undefined);
  await wire.connect();
  channels = await wire.pubSubChannels();
  heard = await eavesdrop();
}, 240_000);

afterAll(async () => {
  wire?.destroy();
  await TestCluster.stopAll();
  await RedisServer.stopAll();
});

async function eavesdrop(): Promise<string[]> {
  const messages: string[] = [];
  const ear = wire.duplicate().on('error', () => undefined);
  await ear.connect();
  await ear.pSubscribe('*', message => messages.push(message));
  // Rows of another node are asked for where they are on the page, and only where it has named their keys in time.
  await until(async () => (await cluster.node(0).list('limit=2&node=node2')).items.length === 2);
  const [id = ''] = await cluster.node(1).ids();
  await cluster.node(0).ask(`connections/${id}`);
  await cluster.node(0).kick(id.replace(/\w+$/, '0000zzzz'));
  await cluster.node(0).call('cluster', 'broadcast', { event: 'news' });
  await cluster.node(0).call('cluster', 'kickAll', { user: 'nobody' }, { reason: 'nothing' });
  await cluster.node(0).call('bans', 'ban', { kind: 'user', value: 'nobody', forMs: 1000 });
  const twice = cluster.nodes.slice(0, 2).map(({ port }) => new RawClient({ port, path: '/ws?user=twice' }));
  try {
    for (const client of twice) {
      await client.open();
      const openedAt = performance.now();
      // Which of two on different nodes is older, the nodes know to within the time that Redis' answer about its clock took.
      await until(() => performance.now() - openedAt > APART_MS);
    }
    await until(() => KINDS.every(kind => messages.some(message => kindOf(message) === kind)), {
      message: () =>
        `each of ${KINDS.join(', ')} to be said; there are ${[...new Set(messages.map(kindOf))].join(', ')}`,
    });
  } finally {
    ear.destroy();
    for (const client of twice) client.destroy();
  }
  await cluster.whole(3 * EACH);
  return messages.filter(message => message.startsWith('{'));
}

/** Every place in a message, with something there that does not belong. */
function spoiled(message: string): string[] {
  const wrong = [null, -1, 1e308, 'x', '', {}, [], [[]], true, '__proto__', 'x'.repeat(200_000)];
  const places = (value: unknown, path: string[]): string[][] =>
    typeof value === 'object' && value !== null
      ? [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))]
      : [path];
  const withAt = (path: readonly string[], value: unknown): string => {
    const copy = { whole: JSON.parse(message) as unknown };
    let place = copy as Record<string, unknown>;
    for (const key of ['whole', ...path].slice(0, -1)) place = place[key] as Record<string, unknown>;
    place[['whole', ...path].at(-1) ?? ''] = value;
    return JSON.stringify(copy.whole);
  };
  return places(JSON.parse(message), []).flatMap(path => wrong.map(value => withAt(path, value)));
}

function garbage(): string[] {
  const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const cut = heard.flatMap(message => [message.slice(0, message.length / 2), message.slice(1), `${message}}`]);
  return [
    '',
    ' ',
    'null',
    '0',
    '{}',
    '[]',
    '{"version":2,"message":{"kind":"request"}}',
    '{"version":1,"message":{"__proto__":{"kind":"reply"}}}',
    nested,
    'x'.repeat(8_000_000),
    randomBytes(5000).toString('latin1'),
    '\u0000\uFFFF\uD800',
    ...cut,
    ...[...new Set(heard.map(kindOf))].flatMap(kind => spoiled(heard.find(message => kindOf(message) === kind) ?? '')),
  ];
}

function kindOf(message: string): string {
  const [, kind = '', operation] = /"kind":"([^"]*)"(?:.*?"operation":"([^"]*)")?/.exec(message) ?? [];
  return operation ?? kind;
}

/** How often a text that is published on every channel has to be counted: by each node on its own channel, and on that of all. */
function timesCounted(text: string): number {
  const message = readMessage(text);
  if (message === null) return 2 * cluster.nodes.length;
  // A request that cannot be answered is no message either, unless it is the node's own.
  if (message.kind !== 'request' || readRequest(message) !== null) return 0;
  const isOurs = channels.some(channel => channel.endsWith(`:node:${message.from}`));
  return 2 * (cluster.nodes.length - (isOurs ? 1 : 0));
}

/** Any program that may write on the channels is obeyed: these would kick all clients. */
function kicksAll(text: string): boolean {
  const message = readMessage(text);
  if (message?.kind !== 'request' || message['operation'] !== 'kick-all') return false;
  const body = readRequest(message) as { readonly filter: ConnectionFilter } | null;
  return body !== null && body.filter.user === undefined;
}

async function errorsCounted(): Promise<number> {
  const texts = await Promise.all(
    cluster.nodes.map(async ({ process }) => (await fetch(`${process.url}/metrics`)).text()),
  );
  const counts = texts.join('\n').matchAll(/^ws_cluster_errors_total\{operation="message"\} (\d+)/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

describe('on every channel', () => {
  it('there are those of all nodes, and one for all', () => {
    expect(channels).toHaveLength(4);
    expect(heard.length).toBeGreaterThan(5);
  });

  it('garbage of every kind is counted and dropped; no node dies, no client is lost or slowed down', async () => {
    const before = await errorsCounted();
    const all = garbage().filter(text => !kicksAll(text));
    const expected = all.reduce((sum, text) => sum + timesCounted(text), before);
    for (const text of all) for (const channel of channels) await wire.publish(channel, text);
    await cluster.whole(3 * EACH, { timeoutMs: 5000 });
    await until(async () => (await errorsCounted()) >= expected);
    expect(await errorsCounted()).toBe(expected);
    expect(expected - before).toBeGreaterThan(all.length);
    expect((await Promise.all(allClients.map(clients => clients.ended()))).flat()).toEqual([]);
    expect(cluster.nodes.map(({ process }) => process.stderr)).toEqual(['', '', '']);
    for (const asker of cluster.nodes) {
      const [id = ''] = await cluster.node(0).ids();
      expect((await asker.ask(`connections/${id}`)).status).toBe(200);
    }
  });

  it('a message has no effect when it is sent again, to any node', async () => {
    for (const text of heard.filter(message => !message.includes('"deliver"'))) {
      for (const channel of channels) await wire.publish(channel, text);
    }
    await cluster.whole(3 * EACH, { timeoutMs: 5000 });
    expect((await Promise.all(allClients.map(clients => clients.ended()))).flat()).toEqual([]);
  });

  it('a flood of 40,000 messages leaves no memory behind', async () => {
    const noise = `{"version":1,"message":${'"x"'.repeat(100)}}`;
    const flood = async () => {
      for (let round = 0; round < 20; round++) {
        await Promise.all(Array.from({ length: 1000 }, () => wire.publish(channels[round % 4] ?? '', noise)));
      }
      await cluster.whole(3 * EACH);
    };
    await flood();
    const before = cluster.nodes.map(({ process }) => residentBytes(process.pid));
    await flood();
    const grown = cluster.nodes.map(({ process }, index) => residentBytes(process.pid) - (before[index] ?? 0));
    expect(Math.max(...grown)).toBeLessThan(30_000_000);
  });
});
