// Measures: pauses that are longer than clients may be silent.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { beatEnv, ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

let folder = '';
const clients: RawClient[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snapshots-'));
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await ServerProcess.stopAll();
  await rm(folder, { recursive: true });
});

/** Many small objects, which make a snapshot take longer than the heartbeat waits for a client. */
const BALLAST =
  'globalThis.ballast = Array.from({ length: 30_000 }, (_, i) => ({ i, name: `n${i}`, list: [i], map: new Map([[i, {}]]) }))';
/** Without a sign of life for so long a client is dead. */
const DEADLINE_MS = 300 + 2 * 300;

const OPERATOR = 'a-token-for-operators';
const VIEWER = 'a-token-for-viewers';

function startServer(nodeArgs: readonly string[] = []): Promise<ServerProcess> {
  const env = {
    TMPDIR: folder,
    // The longest name that is accepted: the file of a snapshot is named by it.
    NODE_NAME: `..${'n'.repeat(198)}`,
    ADMIN_TOKEN: OPERATOR,
    ADMIN_VIEWER_TOKEN: VIEWER,
    ...beatEnv(300, 299),
  };
  return ServerProcess.start({ env, nodeArgs });
}

/** A server with so much in memory that to write it down takes longer than clients may be silent. */
function startFullServer(): Promise<ServerProcess> {
  return startServer(['--import', `data:text/javascript,${encodeURIComponent(BALLAST)}`]);
}

async function openClient({ port }: ServerProcess): Promise<RawClient> {
  const client = await RawClient.opened({ port });
  clients.push(client);
  return client;
}

function takeSnapshot({ port }: ServerProcess, token: string | null) {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  return ask({ port, path: '/admin/heap-snapshot', method: 'POST', headers });
}

/** Whether the client's connection lives: its message is returned. */
async function echoes(client: RawClient): Promise<boolean> {
  const before = client.texts.length;
  client.sendText('{"event":"echo","data":1}');
  await until(() => client.texts.length > before);
  return true;
}

async function expectSnapshot(path: string): Promise<void> {
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const { snapshot } = JSON.parse(await readFile(path, 'utf8')) as { snapshot: { node_count: number } };
  expect(snapshot.node_count).toBeGreaterThan(10_000);
}

describe('POST /admin/heap-snapshot', () => {
  it('writes the heap to a file of its own for an operator, and ends no connection', async () => {
    const server = await startFullServer();
    const client = await openClient(server);
    const { status, headers, json } = await takeSnapshot(server, OPERATOR);
    expect(status).toBe(201);
    expect(headers['cache-control']).toBe('no-store');
    expect(json).toEqual({ file: expect.any(String), bytes: expect.any(Number), durationMs: expect.any(Number) });
    expect(await readdir(folder)).toEqual([json.file.slice(folder.length + 1)]);
    expect((await stat(json.file)).size).toBe(json.bytes);
    // On a clock that ran on meanwhile, the client would be dead.
    expect(json.durationMs).toBeGreaterThan(DEADLINE_MS);
    // Before this process is busy reading, and answers no pings itself.
    expect(await echoes(client)).toBe(true);
    await expectSnapshot(json.file);
    expect(server.output).toContain(`writing a heap snapshot to ${json.file}`);
    expect(server.output).toMatch(/"who":"operator","what":"heap-snapshot",.*"result":"done"/);
  }, 240_000);

  it('is taken once when two ask at once, and is refused within a minute of the last', async () => {
    const server = await startServer();
    const answers = await Promise.all([takeSnapshot(server, OPERATOR), takeSnapshot(server, OPERATOR)]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 429]));
    expect(await readdir(folder)).toHaveLength(1);
    const { status, headers, json } = await takeSnapshot(server, OPERATOR);
    expect(status).toBe(429);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(Number(headers['retry-after'])).toBeGreaterThan(30);
    expect(json).toMatchObject({ type: 'urn:nestjs-heartbeat:problem:snapshot-too-soon', status: 429 });
    expect(await readdir(folder)).toHaveLength(1);
    expect(server.output).toContain('"result":"refused: too-soon"');
  });

  it('is refused to a viewer, to a stranger and without a token', async () => {
    const server = await startServer();
    const statuses: number[] = [];
    for (const token of [VIEWER, 'wrong', null]) statuses.push((await takeSnapshot(server, token)).status);
    expect(statuses).toEqual([403, 401, 401]);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('SIGUSR2', () => {
  it('writes the heap to a file, and the server continues', async () => {
    const server = await startFullServer();
    const client = await openClient(server);
    server.signal('SIGUSR2');
    const [, path = ''] = await until(
      () => /wrote a heap snapshot of \d+ bytes to (\S.*\.heapsnapshot) in/.exec(server.output),
      {
        timeoutMs: 60_000,
      },
    );
    expect(await echoes(client)).toBe(true);
    server.signal('SIGUSR2');
    await until(() => server.output.includes('SIGUSR2: A heap snapshot was taken within the last minute'));
    expect(await readdir(folder)).toHaveLength(1);
    expect(await echoes(client)).toBe(true);
    await expectSnapshot(path);
  }, 240_000);
});
