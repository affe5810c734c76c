/** deploy/nginx/nginx.conf in a real nginx, before two nodes: newcomers are spread, nobody is cut, and a node that drains is passed by. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ConnectionView, NodeAnswer } from 'nestjs-heartbeat';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../support/ask.js';
import { freePort } from '../support/free-port.js';
import { RawClient } from '../support/raw-client.js';
import { RedisServer } from '../support/redis-server.js';
import { ServerProcess } from '../support/server-process.js';
import { until } from '../support/until.js';

const ADMIN_TOKEN = 'a-token-for-this-test';
const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
const CONFIGURATION = readFileSync(new URL('../../deploy/nginx/nginx.conf', import.meta.url), 'utf8');

let servers: ServerProcess[];
let nginx: ChildProcess;
let folder: string;
let port: number;
const clients: RawClient[] = [];

beforeAll(async () => {
  const redis = await RedisServer.start();
  const env = { REDIS_URL: redis.url, ADMIN_TOKEN, TRUSTED_PROXIES: '127.0.0.1', DRAIN_SPREAD_MS: '2000' };
  servers = await Promise.all(
    ['node-1', 'node-2'].map(NODE_NAME => ServerProcess.start({ env: { ...env, NODE_NAME } })),
  );
  folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  port = await freePort();
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
    .reduce((text, server, index) => text.replace(`node-${index + 1}:3000`, `127.0.0.1:${server.port}`), configuration)
    .replace(/worker_rlimit_nofile.*;/, '')
    .replace(/worker_connections \d+/, 'worker_connections 1000')
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
    .replace('http {', `http {\naccess_log off; ${written.join(' ')}`);
}

async function open(count: number): Promise<RawClient[]> {
  const opened = await Promise.all(
    Array.from({ length: count }, () => RawClient.opened({ port, localAddress: '127.0.7.7' })),
  );
  clients.push(...opened);
  return opened;
}

async function list(): Promise<{ items: ConnectionView[]; total: number; nodes: NodeAnswer[] }> {
  return (await ask({ port, path: '/admin/connections?limit=500', headers })).json;
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

  it('lets no client say that it is somebody else, not even where its network is that of trusted proxies', async () => {
    const claim = { 'X-Forwarded-For': '203.0.113.7' };
    clients.push(await RawClient.opened({ port, localAddress: '127.0.0.1', headers: claim }));
    expect((await list()).items.map(({ ip }) => ip)).toEqual(['127.0.0.1']);
  });

  it('keeps the metrics of the nodes to the nodes', async () => {
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(404);
  });

  it('sends newcomers to the other node while one drains, whose clients get their goodbye through it', async () => {
    const opened = await open(40);
    const going = (await list()).nodes.find(({ id }) => id.startsWith('node-1'))?.connections;
    servers[0]?.signal('SIGTERM');
    await until(() => servers[0]?.output.includes('drain begins'));
    const newcomers = await open(20);
    await servers[0]?.exited;
    await until(() => opened.filter(({ closeFrame }) => closeFrame?.code === 1001).length === going);
    expect((await list()).total).toBe(60 - (going ?? 0));
    expect(newcomers.every(({ closeFrame }) => closeFrame === null)).toBe(true);
  });

  it('that is told to quit ends when the last client has had its goodbye', async () => {
    const opened = await open(20);
    nginx.kill('SIGQUIT');
    for (const server of servers) server.signal('SIGTERM');
    const ends = await Promise.all(opened.map(client => client.ended));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([1001]));
    await until(() => nginx.exitCode === 0);
  });
});
