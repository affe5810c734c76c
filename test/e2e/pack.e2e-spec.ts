/** The library as npm would deliver it, in applications with Nest 12 and with Nest 11. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { io, type Socket as ClientSocket } from 'socket.io-client';
import { ask, type Question } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ROOT } from '../support/documents.js';
import { until } from '../support/assert/until.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { LIBRARY, PackedApp, packLibrary, type PackedLibrary, run } from './packed-app.js';

let nest12: PackedApp;
let nest11: PackedApp;
let library: PackedLibrary;
/** What the compiler objects to, in each application. */
let problems: Record<string, string>;

beforeAll(async () => {
  nest12 = await PackedApp.create(
    'src/app.ts',
    'src/types.ts',
    'old/main.cts',
    'express.js',
    'fastify.js',
    'socket-io.js',
  );
  nest11 = await PackedApp.create('src/app.ts', 'src/types.ts', 'express.js', 'fastify.js', 'socket-io.js');
  library = await packLibrary(nest12.folder);
  await Promise.all([nest12.link(library), nest11.installWithNest11(library)]);
  const [of12, of11] = await Promise.all([nest12.compile('tsconfig.json'), nest11.compile('tsconfig.json')]);
  problems = { '12': of12, '11': of11 };
}, 400_000);

afterAll(async () => {
  await ServerProcess.stopAll();
  await Promise.all([nest12?.remove(), nest11?.remove()]);
});

const dist = () => join(nest12.folder, 'node_modules/nestjs-heartbeat/dist');

describe('The packed library', () => {
  it('holds what runs and its types, and no tests, no build records, no places of the machine that built it', async () => {
    const needed = ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts'];
    expect(library.files).toEqual(expect.arrayContaining(needed));
    expect(library.files.filter(path => /\.spec\.|\.tsbuildinfo$|^src\/|^test\//.test(path))).toEqual([]);
    for (const name of await readdir(dist(), { recursive: true })) {
      if (!/\.(js|ts|map)$/.test(name)) continue;
      const text = await readFile(join(dist(), name), 'utf8');
      expect(text.includes(ROOT) ? `${name} names ${ROOT}` : '').toBe('');
    }
  });

  it('holds no source map, and refers to none, since the sources are not in it', async () => {
    expect(library.files.filter(path => path.endsWith('.map'))).toEqual([]);
    const scripts = library.files.filter(path => /^dist\/.*\.(js|ts)$/.test(path));
    expect(scripts.length).toBeGreaterThan(100);
    const referring = await Promise.all(
      scripts.map(async path => {
        const text = await readFile(join(nest12.folder, 'node_modules/nestjs-heartbeat', path), 'utf8');
        return text.includes('sourceMappingURL') ? [path] : [];
      }),
    );
    expect(referring.flat()).toEqual([]);
  });

  it('holds a file for each source of the library, and no other file of code', async () => {
    const sources = (await readdir(join(LIBRARY, 'src'), { recursive: true }))
      .filter(path => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
      .map(path => path.slice(0, -'.ts'.length));
    const expected = sources.flatMap(path => [`dist/${path}.d.ts`, `dist/${path}.js`]);
    expect(library.files.filter(path => path.startsWith('dist/')).toSorted()).toEqual(expected.toSorted());
  });

  it('states its licence, repository and keywords', () => {
    expect(library.manifest).toMatchObject({
      license: 'MIT',
      repository: { type: 'git', directory: 'libs/heartbeat' },
    });
    expect(library.manifest['keywords']).toEqual(expect.arrayContaining(['nestjs', 'websocket', 'heartbeat']));
  });

  it('resolves alike with and without exports', () => {
    const { main, types, exports } = library.manifest as Record<string, string> & { exports: Record<string, object> };
    expect(exports['.']).toEqual({ types, default: main });
    expect(library.files).toEqual(expect.arrayContaining([main, types].map(path => path?.replace('./', ''))));
    const { tooling } = (library.manifest as { typesVersions: Record<string, Record<string, string[]>> }).typesVersions[
      '*'
    ]!;
    expect(exports['./tooling']).toEqual({ types: tooling?.[0], default: './dist/tooling.js' });
  });

  it('type-checks with the resolution of old compilers, and runs by require', async () => {
    expect(await nest12.compile('tsconfig.old.json')).toBe('');
    const ran = await run(process.execPath, ['--no-warnings', join(nest12.folder, 'old-dist/main.cjs')], {
      cwd: nest12.folder,
    });
    expect(ran.stdout).toBe('HeartbeatModule 20000\n');
  }, 240_000);
});

describe.each([
  ['12', () => nest12],
  ['11', () => nest11],
])('The packed library with Nest %s', (major, app) => {
  it('is with that version, which its manifest admits', async () => {
    const core = await readFile(join(app().folder, 'node_modules/@nestjs/core/package.json'), 'utf8');
    expect((JSON.parse(core) as { version: string }).version).toMatch(new RegExp(`^${major}\\.`));
  });

  it('type-checks in an application, its declarations included', () => {
    expect(problems[major]).toBe('');
  });

  it.each(['express', 'fastify'])('tracks, reports, rejects and drains on %s', async platform => {
    const server = await ServerProcess.start({ entry: join(app().folder, `${platform}.js`) });
    const clients = [
      await RawClient.opened({ port: server.port, path: '/live' }),
      await RawClient.opened({ port: server.port, path: '/live' }),
    ] as const;
    await expectsMessages(clients[0]);
    await expectsReports(server.port);
    await expectsProblems(server.port);
    await expectsKick(server.port, clients[0]);
    server.signal('SIGTERM');
    const { code, reason } = await clients[1].ended;
    expect([code, reason]).toEqual([1001, expect.stringMatching(/^server is going away; retry-after=\d+$/)]);
    const { code: status, signal } = await server.exited;
    expect({ status, signal }).toEqual({ status: null, signal: 'SIGTERM' });
    const order = server.stdout.match(/a connection ended, the pool is open|the pool is closed/g);
    expect(order).toEqual([
      'a connection ended, the pool is open',
      'a connection ended, the pool is open',
      'the pool is closed',
    ]);
    expect(server.output).not.toMatch(/ (WARN|ERROR) /);
  });

  it('tracks and kicks clients of Socket.IO', async () => {
    const server = await ServerProcess.start({ entry: join(app().folder, 'socket-io.js') });
    const { received, socket } = await socketIoClient(server.port);
    socket.emit('shout', 'hello');
    socket.emit('shout', '');
    await until(() => received.length === 2);
    const { items } = (await admin(server.port, 'connections')).json;
    expect(items).toMatchObject([{ transport: 'socket.io' }]);
    expect((await admin(server.port, `connections/${items[0].id}`, { method: 'DELETE' })).status).toBe(200);
    await until(() => received.length === 3);
    socket.disconnect();
    expect(received).toEqual(
      expect.arrayContaining([
        ['shout', expect.stringMatching(/^HELLO\/live/)],
        ['exception', expect.objectContaining({ message: 'Nothing to shout.' })],
        'io server disconnect',
      ]),
    );
    await server.stop();
  });
});

/** What a client of Socket.IO receives until its end. */
async function socketIoClient(port: number): Promise<{ received: unknown[]; socket: ClientSocket }> {
  const socket = io(`ws://127.0.0.1:${port}`, { path: '/live', transports: ['websocket'], forceNew: true });
  const received: unknown[] = [];
  socket.onAny((event, data) => received.push([event, data]));
  socket.on('disconnect', reason => received.push(reason));
  await until(() => socket.connected);
  return { received, socket };
}

const admin = (port: number, path: string, more: Partial<Question> = {}) =>
  ask({ port, path: `/admin/${path}`, ...more, headers: { authorization: 'Bearer secret', ...more.headers } });

async function expectsMessages(client: RawClient): Promise<void> {
  client.sendEvent('shout', 'hello');
  client.sendEvent('shout', '');
  client.sendEvent('whisper', '');
  await until(() => client.messages.length === 3);
  expect(client.json).toMatchObject([
    { event: 'shout', data: 'HELLO/live' },
    { event: 'exception', data: { status: 'error', message: 'Nothing to shout.' } },
    { event: 'exception', data: { message: expect.stringContaining('"whisper"') } },
  ]);
}

async function expectsReports(port: number): Promise<void> {
  expect((await ask({ port, path: '/paths' })).json).toEqual(['/live', '/live']);
  expect(await ask({ port, path: '/health/ready' })).toMatchObject({ status: 200, json: { status: 'ok' } });
  expect((await ask({ port, path: '/metrics' })).text).toContain('\nws_connections 2\n');
  const { status, json } = await admin(port, 'connections?limit=1&path=%2Flive&sort=messagesIn&order=desc');
  expect([status, json.total, json.items]).toEqual([200, 2, [expect.objectContaining({ messagesIn: 3 })]]);
}

async function expectsProblems(port: number): Promise<void> {
  const body = JSON.stringify({ kind: 'ip', value: '192.0.2.1', forMs: 'long', until: 1 });
  const answers = [
    await admin(port, 'connections?limit=0&colour=red'),
    await admin(port, 'bans', { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
    await admin(port, 'connections', { headers: { authorization: 'Bearer other' } }),
    await admin(port, 'nothing'),
  ];
  expect(
    answers.map(({ status, json }) => [
      status,
      json.type,
      json.errors?.map((error: { pointer: string }) => error.pointer),
    ]),
  ).toEqual([
    [400, 'urn:nestjs-heartbeat:problem:bad-query', ['/limit', '/colour']],
    [400, 'urn:nestjs-heartbeat:problem:bad-body', ['/forMs', '/until']],
    [401, 'urn:nestjs-heartbeat:problem:unauthenticated', undefined],
    [404, 'urn:nestjs-heartbeat:problem:not-found', undefined],
  ]);
  for (const { headers } of answers) expect(headers['content-type']).toMatch(/^application\/problem\+json/);
}

async function expectsKick(port: number, client: RawClient): Promise<void> {
  const { json } = await admin(port, 'connections?sort=messagesIn&order=desc&limit=1');
  const { status } = await admin(port, `connections/${json.items[0].id}?reason=enough`, { method: 'DELETE' });
  expect(status).toBe(200);
  expect(await client.ended).toMatchObject({ code: 4500, reason: 'enough' });
  await until(async () => (await admin(port, 'closed')).json.items.length === 1);
}
