/** The reference server as nodes of a cluster: with REDIS_URL, and with several workers that share a port. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import type { NodeAnswer } from 'nestjs-heartbeat';
import { readdirSync, readFileSync } from 'node:fs';
import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const ADMIN_TOKEN = 'a-token-for-this-test';
const JWT_SECRET = 'a secret of thirty-two characters';
let redis: RedisServer;
let env: Record<string, string>;

beforeAll(async () => {
  redis = await RedisServer.start();
  env = { REDIS_URL: redis.url, ADMIN_TOKEN, CLUSTER_LEASE_MS: '3000' };
});
afterEach(async () => {
  await ServerProcess.stopAll();
  // The nodes of another test are another cluster.
  await redis.command('FLUSHALL');
});
afterAll(() => RedisServer.stopAll());

async function list(server: ServerProcess): Promise<{ total: number; nodes: NodeAnswer[] }> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  return (await ask({ port: server.port, path: '/admin/connections?limit=1', headers })).json;
}

async function wholeWith(server: ServerProcess, nodes: number, connections: number): Promise<void> {
  await until(
    async () => {
      const answer = await list(server);
      return answer.total === connections && answer.nodes.filter(({ status }) => status === 'ok').length === nodes;
    },
    { timeoutMs: 10_000, message: () => `${nodes} nodes with ${connections} connections:\n${server.output}` },
  );
}

/** The pids of a server's workers. */
function workersOf({ pid }: ServerProcess): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | null {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    // It has ended since it was listed.
    return null;
  }
}

function clientsOf({ port }: ServerProcess, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => RawClient.opened({ port })));
}

describe('two servers with the same REDIS_URL', () => {
  it('are one cluster: a broadcast of an identified client reaches every connection of both', async () => {
    const all = { ...env, JWT_SECRET, ALLOW_ANONYMOUS: 'true' };
    const servers = await Promise.all(
      ['one', 'two'].map(NODE_NAME => ServerProcess.start({ env: { ...all, NODE_NAME } })),
    );
    const [one, two] = servers as [ServerProcess, ServerProcess];
    const others = (await Promise.all(servers.map(server => clientsOf(server, 3)))).flat();
    const token = await new SignJWT({ sub: 'ann' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from(JWT_SECRET));
    const ann = await RawClient.opened({ port: one.port, headers: { Authorization: `Bearer ${token}` } });
    await wholeWith(two, 2, 7);
    expect((await list(two)).nodes.map(({ id }) => id.replace(/-[\da-f]+$/, '')).toSorted()).toEqual(['one', 'two']);
    ann.sendEvent('broadcast', 'hello');
    const said = [{ event: 'broadcast', data: 'hello' }];
    await until(() => [ann, ...others].every(({ json }) => json.length > 0));
    expect([ann, ...others].map(({ json }) => json)).toEqual([said, ...others.map(() => said)]);
    for (const client of [ann, ...others]) client.destroy();
  });
});

describe('WORKERS', () => {
  it('are nodes behind one port, whose lines begin with their names; they all drain, and end with 0', async () => {
    const server = await ServerProcess.start({ env: { ...env, WORKERS: '2', DRAIN_SPREAD_MS: '300' } });
    const clients = await clientsOf(server, 30);
    await wholeWith(server, 2, 30);
    const { nodes } = await list(server);
    expect(nodes.filter(({ connections }) => connections > 0).length).toBeGreaterThan(1);
    const [greeting = ''] = /The server listens on .*/.exec(server.stdout) ?? [];
    expect(server.stdout.split(greeting)).toHaveLength(2);
    const named = ['worker 1', 'worker 2'].map(name => server.stdout.includes(`[${name}] `));
    expect([named, server.stdout.includes('[Nest]')]).toEqual([[true, true], false]);

    server.signal('SIGTERM');
    const ends = await Promise.all(clients.map(client => client.ended));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([1001]));
    expect(await server.exited).toMatchObject({ code: 0 });
    expect(workersOf(server)).toEqual([]);
  });

  it('that die are logged and replaced, and the others serve meanwhile; in the end the status is the worst of them', async () => {
    const server = await ServerProcess.start({ env: { ...env, WORKERS: '2', DRAIN_SPREAD_MS: '3000' } });
    const clients = await clientsOf(server, 20);
    await wholeWith(server, 2, 20);
    const lost: RawClient[] = [];
    for (const client of clients) void client.ended.then(() => lost.push(client));
    const [victim = 0] = workersOf(server);
    process.kill(victim, 'SIGKILL');
    await until(() => server.stderr.includes(`(pid ${victim}) died: killed by SIGKILL`));
    const newcomers = await clientsOf(server, 2);
    await until(() => workersOf(server).length === 2, { timeoutMs: 10_000 });
    await wholeWith(server, 2, 22 - lost.length);
    expect((await list(server)).nodes).toHaveLength(2);
    const more = await clientsOf(server, 20);

    const [last = 0] = workersOf(server);
    server.signal('SIGINT');
    await until(() => server.output.split('drain begins').length === 3);
    process.kill(last, 'SIGKILL');
    expect(await server.exited).toMatchObject({ code: 137 });
    expect(server.output).toMatch(new RegExp(`worker \\d \\(pid ${last}\\) ended: killed by SIGKILL`));
    for (const client of [...clients, ...newcomers, ...more]) client.destroy();
  }, 60_000);
});

describe('workers with ADMIN_PORT', () => {
  it('share both ports, and the greeting names each', async () => {
    const more = { WORKERS: '2', ADMIN_PORT: '0', LOG_FORMAT: 'json', LOG_LEVEL: 'fatal', DRAIN_SPREAD_MS: '0' };
    const server = await ServerProcess.start({ env: { ...env, ...more } });
    const { http, admin = '' } = JSON.parse(server.stdout) as Record<string, string>;
    expect(http).toBe(server.url);
    const own = Number(new URL(admin).port);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    await clientsOf(server, 3);
    await until(async () => {
      const { json } = await ask({ port: own, path: '/admin/connections', headers });
      return json.total === 3 && json.nodes.length === 2;
    });
    expect((await ask({ port: server.port, path: '/admin/connections', headers })).status).toBe(404);
    server.signal('SIGTERM');
    expect((await server.exited).code).toBe(0);
  });
});
