/** deploy/nginx/nginx.conf in a real nginx, before two nodes: clients are spread, no connection is cut, and a node that drains is skipped. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ConnectionView, NodeAnswer } from 'nestjs-heartbeat';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../support/clients/ask.js';
import { freePort } from '../support/servers/free-port.js';
import { RawClient } from '../support/clients/raw-client.js';
import { RedisServer } from '../support/redis/redis-server.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const ADMIN_TOKEN = 'a-token-for-this-test';
const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
const CONFIGURATION = readFileSync(new URL('../../deploy/nginx/nginx.conf', import.meta.url), 'utf8');

let servers: ServerProcess[];
let adminPorts: number[];
let nginx: ChildProcess;
let folder: string;
let port: number;
let adminPort: number;
const clients: RawClient[] = [];

beforeAll(async () => {
  const redis = await RedisServer.start();
  const env = { REDIS_URL: redis.url, ADMIN_TOKEN, TRUSTED_PROXIES: '127.0.0.1', DRAIN_SPREAD_MS: '2000' };
  adminPorts = [await freePort(), await freePort()];
  servers = await Promise.all(
    ['node-1', 'node-2'].map((NODE_NAME, index) =>
      ServerProcess.start({ env: { ...env, NODE_NAME, ADMIN_PORT: `${adminPorts[index]}` } }),
    ),
  );
  folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  port = await freePort();
  adminPort = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, here(CONFIGURATION));
  const args = ['-p', folder, '-c', file, '-e', 'stderr', '-g', `daemon off; pid ${folder}/nginx.pid;`];
  execFileSync('nginx', ['-t', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  nginx = spawn('nginx', args, { stdio: 'ignore' });
  await until(() =>
    ask({ port, path: '/health' }).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await until(async () => nginx.exitCode !== null || (await list()).total === 0);
});
afterAll(async () => {
  if (nginx.exitCode === null) {
    nginx.kill('SIGTERM');
    await once(nginx, 'exit');
  }
  rmSync(folder, { recursive: true });
  await ServerProcess.stopAll();
  await RedisServer.stopAll();
});

/** The configuration with the addresses of this test, within its limits, and nothing written outside of its folder. */
function here(configuration: string): string {
  const written = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${folder}/${name};`,
  );
  return servers
    .reduce(
      (text, server, index) =>
        text
          .replace(`node-${index + 1}:3000`, `127.0.0.1:${server.port}`)
          .replace(`node-${index + 1}:3001`, `127.0.0.1:${adminPorts[index]}`),
      configuration,
    )
    .replace(/worker_rlimit_nofile.*;/, '')
    .replace(/worker_connections \d+/, 'worker_connections 1000')
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
    .replace('listen 8081', `listen 127.0.0.1:${adminPort}`)
    .replace('http {', `http {\naccess_log off; ${written.join(' ')}`);
}

/** The connections of a node, once both nodes have answered and their sum is `total`: a busy one is listed with those of its last report. */
async function connectionsOf(name: string, total: number): Promise<number> {
  const nodes = await until(async () => {
    const listed = await list();
    const isWhole = listed.total === total && listed.nodes.every(({ status }) => status === 'ok');
    return isWhole ? listed.nodes : null;
  });
  return nodes.find(({ id }) => id.startsWith(`${name}-`))?.connections ?? 0;
}

/** A path, and how else it may be written to slip through a rule about it. */
function spellingsOf(path: string): string[] {
  const [first = '', ...rest] = path.slice(1).split('/');
  const encoded = `%${first.charCodeAt(0).toString(16)}${first.slice(1)}`;
  const below = rest.map(segment => `/${segment}`).join('');
  const all = [
    path,
    `${path}/`,
    `/${path}`,
    path.toUpperCase(),
    `/${first.slice(0, 1).toUpperCase()}${first.slice(1)}${below}`,
    `/${encoded}${below}`,
    `/${encoded.toUpperCase()}${below}`,
    `/%2e${path}`,
    `/x/..${path}`,
    `/health/..${path}`,
    `/ws/..${path}`,
    `/.${path}`,
    `${path};x=1`,
    `/x;${path}`,
    `${path}%00`,
    `${path}%20`,
    `${path}/.`,
    `/${path.slice(1).replaceAll('/', '%2f')}`,
    `/${path.slice(1).replaceAll('/', '\\')}`,
    `/health${path}`,
  ];
  return [...new Set(all)];
}

async function open(count: number): Promise<RawClient[]> {
  const opened = await Promise.all(
    Array.from({ length: count }, () => RawClient.opened({ port, localAddress: '127.0.7.7' })),
  );
  clients.push(...opened);
  return opened;
}

async function list(): Promise<{ items: ConnectionView[]; total: number; nodes: NodeAnswer[] }> {
  return (await ask({ port: adminPort, path: '/admin/connections?limit=500', headers })).json;
}

describe('the load balancer', () => {
  it('spreads clients evenly over both nodes, which know their addresses', async () => {
    const opened = await open(40);
    const { items, nodes } = await list();
    const [one = 0, two = 0] = nodes.map(({ connections }) => connections);
    expect(one + two).toBe(40);
    expect(Math.abs(one - two)).toBeLessThanOrEqual(4);
    expect(new Set(items.map(({ ip }) => ip))).toEqual(new Set(['127.0.7.7']));
    opened.forEach((client, n) => client.sendEvent('echo', n));
    await until(() => opened.every(({ json }) => json.length === 1));
  });

  it('lets no client claim another address, not even where its network is that of trusted proxies', async () => {
    const claim = { 'X-Forwarded-For': '203.0.113.7' };
    clients.push(await RawClient.opened({ port, localAddress: '127.0.0.1', headers: claim }));
    expect((await list()).items.map(({ ip }) => ip)).toEqual(['127.0.0.1']);
  });

  describe.each([
    '/metrics',
    '/admin',
    '/admin/connections',
    '/admin/nodes',
    '/admin/doctor',
    '/docs',
    '/docs-json',
    '/',
  ])('hides %s from clients', path => {
    it.each(spellingsOf(path))('as %s', async spelling => {
      const { status, text } = await ask({ port, path: spelling, headers });
      expect([400, 404]).toContain(status);
      expect(text).not.toMatch(/ws_connections|"items"|"findings"|openapi|swagger/i);
    });
  });

  it.each(['/health', '/health/live', '/health/ready'].flatMap(path => [[path, spellingsOf(path)] as const]))(
    'serves %s by its exact name only',
    async (path, [exact, ...others]) => {
      expect([exact, (await ask({ port, path })).status]).toEqual([path, 200]);
      for (const spelling of others) {
        const { status } = await ask({ port, path: spelling });
        expect([spelling, [400, 404].includes(status)]).toEqual([spelling, true]);
      }
    },
  );

  it('serves the admin API and the metrics of the nodes on the port of the operators', async () => {
    const statuses = ['/admin/nodes', '/metrics', '/health', '/docs-json', '/ws', '/ADMIN/nodes', '/metrics/'].map(
      async path => (await ask({ port: adminPort, path, headers })).status,
    );
    expect(await Promise.all(statuses)).toEqual([200, 200, 200, 200, 404, 404, 404]);
  });

  it('sends new clients to the other node while one drains, whose clients get their close frame through it', async () => {
    const opened = await open(40);
    const going = await connectionsOf('node-1', opened.length);
    servers[0]?.signal('SIGTERM');
    await until(() => servers[0]?.output.includes('drain begins'));
    const newcomers = await open(20);
    await servers[0]?.exited;
    await until(() => opened.filter(({ closeFrame }) => closeFrame?.code === 1001).length === going);
    expect((await list()).total).toBe(60 - going);
    expect(newcomers.every(({ closeFrame }) => closeFrame === null)).toBe(true);
  });

  it('that receives SIGQUIT ends when the last client was closed', async () => {
    const opened = await open(20);
    nginx.kill('SIGQUIT');
    for (const server of servers) server.signal('SIGTERM');
    const ends = await Promise.all(opened.map(client => client.ended));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([1001]));
    await until(() => nginx.exitCode === 0);
  });
});
