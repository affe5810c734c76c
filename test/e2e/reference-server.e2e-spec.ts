import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { exec } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const ADMIN_TOKEN = 'a-token-for-this-test';
const ADMIN_VIEWER_TOKEN = 'a-token-of-a-viewer';
/** Runs the command that follows on a terminal of its own. */
const ON_TERMINAL = ['sh', '-c', 'exec script -qfec "$*" /dev/null', 'script'];

/** The command lines that the greeting offers. */
function commandsOf(server: ServerProcess): string[] {
  return server.stdout.split(/\r?\n/).flatMap(line => /^ {5}(\S.*)$/.exec(line)?.[1] ?? []);
}

function run(command: string, token = ADMIN_TOKEN): Promise<string> {
  return new Promise((resolve, reject) => {
    exec(command, { cwd: ROOT, env: { ...process.env, ADMIN_TOKEN: token } }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    );
  });
}

async function failedStart(env: Record<string, string>) {
  const server = ServerProcess.spawn({ env });
  const { code } = await server.exited;
  return { code, stdout: server.stdout, stderr: server.stderr };
}

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

describe('a server with tokens', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await ServerProcess.start({ env: { ADMIN_TOKEN, ADMIN_VIEWER_TOKEN } });
  });
  afterAll(() => server.stop());

  it('offers lines in its greeting that open a connection, show it and kick it, as they stand', async () => {
    await until(() => commandsOf(server).length === 3);
    const [openIt = '', showIt = '', kickIt = ''] = commandsOf(server);
    const opened = run(openIt);
    const show = async () => JSON.parse(await run(showIt)) as { items: { id: string; messagesIn: number }[] };
    await until(async () => (await show()).items[0]?.messagesIn === 1);
    const [item] = (await show()).items;
    expect(JSON.parse(await run(kickIt))).toMatchObject({ id: item?.id, closing: true });
    expect(await opened).toBe('{"event":"echo","data":"hello"}\nclosed 4500 kicked\n');
  });

  it('shows none of them', async () => {
    await until(() => commandsOf(server).length === 3);
    for (const token of [ADMIN_TOKEN, ADMIN_VIEWER_TOKEN]) expect(server.output).not.toContain(token);
  });

  it('leads from / to the routes of the server, as JSON and as a page', async () => {
    const { port } = server;
    const home = await ask({ port, path: '/' });
    expect([home.status, home.headers]).toMatchObject([200, SECURITY]);
    const { links } = home.json as { links: Record<string, string> };
    expect(Object.keys(links)).toEqual(['docs', 'health', 'metrics', 'admin']);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    for (const path of Object.values(links)) expect((await ask({ port, path, headers })).status).toBe(200);
    const page = await ask({ port, path: '/?from=a-browser', headers: { accept: 'text/html,*/*;q=0.8' } });
    expect(page.headers).toMatchObject({ ...SECURITY, 'content-type': 'text/html; charset=utf-8' });
    expect([...page.text.matchAll(/href="([^"]+)"/g)].map(([, path]) => path)).toEqual(Object.values(links));
    expect((await ask({ port, path: '/', method: 'POST' })).status).toBe(404);
    expect((await ask({ port, path: '/other' })).status).toBe(404);
  });
});

describe('a server without tokens', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await ServerProcess.start({ env: { HOST: '127.0.0.1', NODE_NAME: 'a' } });
  });
  afterAll(() => server.stop());

  it('reports that there is no admin token where the output is no terminal', async () => {
    await until(() => server.stdout.includes('Ctrl-C'));
    expect(server.stdout).toMatch(/Admin token +none.* set ADMIN_TOKEN or ADMIN_TOKEN_FILE/);
    const { status, text } = await ask({ port: server.port, path: '/admin/connections' });
    expect([status, text]).toEqual([401, expect.stringContaining('No admin token is configured')]);
  });

  it('names node and version at the start of its log', async () => {
    const { stdout } = server;
    expect(stdout).toMatch(/LOG \[Server\] node a-[0-9a-f]{8}, version 0\.1\.0, Node\.js \d/);
  });

  it('has a gateway that echoes, and broadcasts for no anonymous client', async () => {
    const client = await RawClient.opened({ port: server.port });
    client.sendEvent('echo', { a: [1, 'ü'] });
    await until(() => client.json.length === 1);
    client.sendEvent('broadcast', 'hello');
    await until(() => client.json.length === 2);
    const data = { status: 'error', message: 'Only an identified client may broadcast.' };
    expect(client.json).toMatchObject([
      { event: 'echo', data: { a: [1, 'ü'] } },
      { event: 'exception', data },
    ]);
    client.destroy();
  });

  it('does not warn of anonymous clients of this machine', async () => {
    expect(server.output).not.toContain('anonymous');
  });

  it('sends HTTP responses that name no framework, and may be neither guessed at nor framed', async () => {
    const { url } = server;
    const paths = [
      '/docs',
      '/docs/swagger-ui-init.js',
      '/docs-json',
      '/health',
      '/metrics',
      '/admin/nodes',
      '/nowhere',
    ];
    for (const path of paths) {
      const { headers } = await fetch(`${url}${path}`);
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/script-src[^;]*(unsafe|\*|https?:)/);
    }
  });

  it('has API docs for people and for programs, and drains on SIGTERM after their use', async () => {
    const { url } = server;
    const page = await fetch(`${url}/docs`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Heartbeat API')]);
    const document = (await (await fetch(`${url}/docs-json`)).json()) as { paths: object };
    expect(Object.keys(document.paths)).toContain('/admin/connections/{id}');
    // They are made by an application of their own, which leaves the log of the server as it is.
    server.signal('SIGTERM');
    await server.exited;
    expect(server.output).toContain('drain ended');
  });
});

describe('the greeting', () => {
  afterEach(() => ServerProcess.stopAll());

  it('offers lines that work where clients need a token', async () => {
    const JWT_SECRET = 'a-secret-of-the-issuer-of-32-bytes';
    const env = { ADMIN_TOKEN, JWT_SECRET, JWT_ISSUER: 'https://id.example.com', JWT_AUDIENCE: 'chat' };
    const server = await ServerProcess.start({ env });
    await until(() => commandsOf(server).length === 4);
    const [makeIt = '', openIt = '', showIt = '', kickIt = ''] = commandsOf(server);
    const opened = run(`export JWT_SECRET=${JWT_SECRET}; ${makeIt}; ${openIt}`);
    const show = async () => JSON.parse(await run(showIt)) as { items: { userId: string; messagesIn: number }[] };
    await until(async () => (await show()).items[0]?.messagesIn === 1);
    expect((await show()).items[0]?.userId).toBe('me');
    await run(kickIt);
    expect(await opened).toBe('{"event":"echo","data":"hello"}\nclosed 4500 kicked\n');
    expect(server.output).not.toContain(JWT_SECRET);
  });

  it('is one line of JSON where logs are, whatever the level', async () => {
    const server = await ServerProcess.start({ env: { LOG_FORMAT: 'json', LOG_LEVEL: 'fatal', WS_PATH: '/live' } });
    const { http, webSocket, docs, ...rest } = JSON.parse(server.stdout) as Record<string, string>;
    expect({ http, webSocket, docs }).toEqual({
      http: server.url,
      webSocket: `ws://127.0.0.1:${server.port}/live`,
      docs: `${server.url}/docs`,
    });
    expect(Object.keys(rest).toSorted()).toEqual([
      'admin',
      'context',
      'health',
      'level',
      'message',
      'node',
      'pid',
      'timestamp',
      'version',
    ]);
  });

  it('holds a generated token on a terminal only, where the lines work with it', async () => {
    const server = await ServerProcess.start({ via: ON_TERMINAL });
    await until(() => commandsOf(server).length === 4);
    const [, token = ''] = /export ADMIN_TOKEN=([\w-]{32})/.exec(server.stdout) ?? [];
    const headers = { authorization: `Bearer ${token}` };
    expect((await ask({ port: server.port, path: '/admin/connections', headers })).status).toBe(200);
    const show = commandsOf(server)[2] ?? '';
    expect(JSON.parse(await run(show, token))).toMatchObject({ items: [] });
  });

  it('reads the token from ADMIN_TOKEN_FILE', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'admin-token-'));
    const ADMIN_TOKEN_FILE = join(folder, 'token');
    await writeFile(ADMIN_TOKEN_FILE, `${ADMIN_TOKEN}\n`, { mode: 0o400 });
    const server = await ServerProcess.start({ env: { ADMIN_TOKEN_FILE } });
    await rm(folder, { recursive: true });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    expect((await ask({ port: server.port, path: '/admin/connections', headers })).status).toBe(200);
    expect(server.output).not.toContain(ADMIN_TOKEN);
  });
});

describe('a start that cannot be', () => {
  it('ends with 1 and every problem, and no stack', async () => {
    const env = { PORT: '1e3', HEARTBEAT_INTERVAL_MS: '5000', DRAIN_SPREDA_MS: '1', LOG_LEVEL: 'loud' };
    const { code, stdout, stderr } = await failedStart(env);
    expect([code, stdout]).toEqual([1, '']);
    const [headline, ...problems] = stderr.trimEnd().split('\n');
    expect(headline).toBe('The server cannot start, 4 variables are wrong:');
    const names = ['PORT', 'LOG_LEVEL', 'DRAIN_SPREDA_MS', 'HEARTBEAT_MIN_INTERVAL_MS'];
    expect(problems.map(line => line.trim().split(' ')[1])).toEqual(names);
  });

  it('ends with 1 and one line when the port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await until(() => other.listening);
    const { port } = other.address() as AddressInfo;
    const { code, stdout, stderr } = await failedStart({ PORT: String(port) });
    other.close();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^The server cannot listen on 127\.0\.0\.1, port \d+ \(EADDRINUSE\): .*set PORT .*\n$/);
  });
});

const lines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);

describe('LOG_FORMAT=json', () => {
  afterEach(() => ServerProcess.stopAll());

  it('names node and version in each line, and has audit entries as fields', async () => {
    const server = await ServerProcess.start({ env: { ADMIN_TOKEN, LOG_FORMAT: 'json', NODE_NAME: 'a' } });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ kind: 'user', value: 'u', forMs: 60_000 });
    await ask({ port: server.port, path: '/admin/bans', headers, method: 'POST', body });
    await until(() => server.stdout.includes('HeartbeatAudit'));
    const all = lines(server.stdout);
    const started = all.find(({ message }) => /^node a-[0-9a-f]{8}, version \S+, Node\.js /.test(String(message)));
    const node = String(started?.['node']);
    expect(node).toMatch(/^a-[0-9a-f]{8}$/);
    for (const line of all)
      expect(line).toMatchObject({ version: '0.1.0', node: expect.stringMatching(`^(a|${node})$`) });
    expect(all.at(-1)).toMatchObject({
      context: 'HeartbeatAudit',
      node,
      actor: 'operator',
      action: 'ban',
      from: '127.0.0.1',
      result: 'done',
      parameters: { kind: 'user', value: 'u' },
    });
    // The package `cron` prints a run that came late by `console.warn`, as on a busy machine.
    expect(server.stderr.replaceAll(/^\[Cron\] .*\n/gm, '')).toBe('');
  });

  it.each<[string, Record<string, string>, object]>([
    [
      'variables',
      { PORT: '1e3', LOG_LEVEL: 'loud' },
      { error: { name: 'EnvironmentError' }, problems: [{ key: 'PORT', value: '1e3' }, { key: 'LOG_LEVEL' }] },
    ],
    ['a host', { HOST: '192.0.2.1', LOG_LEVEL: 'fatal' }, { error: { name: 'ListenError', code: 'EADDRNOTAVAIL' } }],
  ])('has a start that fails as one line, on the stream of its text: %s', async (_what, more, expected) => {
    const { code, stdout, stderr } = await failedStart({ LOG_FORMAT: 'json', ...more });
    expect([code, stdout]).toEqual([1, '']);
    expect(lines(stderr)).toMatchObject([{ level: 'fatal', context: 'Server', version: '0.1.0', ...expected }]);
  });

  it('that is not written so leaves a failed start in text', async () => {
    const { code, stderr } = await failedStart({ LOG_FORMAT: 'JSON' });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^The server cannot start, a variable is wrong:\n.*LOG_FORMAT/),
    ]);
  });
});

describe('anonymous clients', () => {
  afterEach(() => ServerProcess.stopAll());

  it.each([
    ['all clients', {}, /WARN \[Server\] every client is anonymous, and HOST=0\.0\.0\.0/],
    [
      'some clients',
      { JWT_SECRET: 'a secret of at least thirty-two bytes', ALLOW_ANONYMOUS: 'true' },
      /WARN \[Server\] anonymous clients of other machines/,
    ],
  ])('of other machines are warned of at the start, and found by the doctor: %s', async (_which, more, warning) => {
    const server = await ServerProcess.start({ env: { HOST: '0.0.0.0', ADMIN_TOKEN, ...more } });
    expect(server.output).toMatch(warning);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const { json } = await ask({ port: server.port, path: '/admin/doctor', headers });
    const { findings } = json as { findings: { id: string; severity: string }[] };
    expect(findings.find(({ id }) => id === 'anonymous-clients')).toMatchObject({ severity: 'warn' });
  });
});

describe('ADMIN_PORT', () => {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  let server: ServerProcess;
  beforeAll(async () => {
    server = await ServerProcess.start({ env: { ADMIN_TOKEN, ADMIN_PORT: '0', LOG_FORMAT: 'json' } });
  });
  afterAll(() => server.stop());

  it('leaves nothing of what it moves on the page at /', async () => {
    const { port } = server;
    expect((await ask({ port, path: '/' })).json).toMatchObject({ links: { health: '/health' } });
    const { text } = await ask({ port, path: '/', headers: { accept: 'text/html' } });
    expect(text).not.toMatch(/admin|metrics|docs/);
  });

  it('takes admin API, metrics and API docs to a port of their own, which the greeting shows', async () => {
    const { admin = '' } = JSON.parse(server.stdout.trim().split('\n').at(-1) ?? '') as Record<string, string>;
    const own = Number(new URL(admin).port);
    expect(own).not.toBe(server.port);
    const answers = async (path: string) => {
      const [there, here] = [own, server.port].map(port => ask({ port, path, headers }));
      return [path, (await there)?.status, (await here)?.status];
    };
    for (const path of ['/admin/nodes', '/metrics', '/docs', '/docs-json'])
      expect(await answers(path)).toEqual([path, 200, 404]);
    expect(await answers('/health/ready')).toEqual(['/health/ready', 200, 200]);
    const { text } = await ask({ port: own, path: '/metrics' });
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
      'ws_ready 1',
    ])
      expect(text).toContain(`\n${name}`);
    server.signal('SIGTERM');
    expect((await server.exited).code).toBe(0);
  });

  it('that is taken stops the start with the name of the variable', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await until(() => other.listening);
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await failedStart({ ADMIN_PORT: `${port}` });
    other.close();
    expect([code, stderr]).toEqual([1, expect.stringContaining(`port ${port} (EADDRINUSE)`)]);
    expect(stderr).toContain('set ADMIN_PORT to another one');
  });
});
