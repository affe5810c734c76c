// Measures: how soon dead clients are found, beside thousands of refused upgrades.
/** A node at its limits keeps what it has promised to those inside: the load tool judges, while thousands knock. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Report } from '../../apps/loadtest/src/report.js';
import { ask } from '../support/clients/ask.js';
import { RawClient } from '../support/clients/raw-client.js';
import { beatEnv, ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const TOOL = 'dist/apps/loadtest/src/main.js';
const INSIDE = 500;
/** Clients that connect at once, in rounds. */
const KNOCKING = 30;
const BEAT = [3000, 1000] as const;
const TOKEN = 'a-token-for-viewers';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await ServerProcess.stopAll();
});

/** How many the server counts. */
async function connections(port: number): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { json } = await ask({ port, path: '/admin/connections?limit=1', headers });
  return (json as { total: number }).total;
}

/** Runs the load tool to its end; its report. */
async function loadTool(port: number, seconds: number): Promise<{ code: number; report: Report }> {
  const folder = await mkdtemp(join(tmpdir(), 'load-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'report.json');
  const words = {
    url: `ws://127.0.0.1:${port}/ws`,
    connections: INSIDE,
    silent: '10%',
    stopped: '2%',
    seconds,
    json: file,
  };
  const args = Object.entries(words).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const stop = new AbortController();
  cleanups.push(() => stop.abort());
  const running = promisify(execFile)(process.execPath, [TOOL, ...args], {
    signal: stop.signal,
    killSignal: 'SIGKILL',
  });
  const code = await running.then(
    () => 0,
    (error: { code?: number }) => error.code ?? -1,
  );
  return { code, report: JSON.parse(await readFile(file, 'utf8')) as Report };
}

describe('A node at its limits', () => {
  it('finds every dead client in time and loses no healthy one, while thousands knock in vain', async () => {
    const { port } = await ServerProcess.start({
      env: {
        ...beatEnv(...BEAT),
        LIMITS_MAX_CONNECTIONS: `${INSIDE}`,
        ADMIN_TOKEN: 'a-token-for-operators',
        ADMIN_VIEWER_TOKEN: TOKEN,
      },
    });
    const over = new AbortController();
    const { signal } = over;
    const tool = loadTool(port, 12).finally(() => over.abort());
    await until(async () => signal.aborted || (await connections(port)) === INSIDE, { timeoutMs: 20_000 });
    const answers = new Map<number, number>();
    let most = 0;
    const knock = async (lane: number) => {
      for (let i = 0; !signal.aborted; i++) {
        const client = new RawClient({ port, localAddress: `127.0.${2 + lane}.${1 + (i % 250)}` });
        const { status } = await client.open();
        answers.set(status, (answers.get(status) ?? 0) + 1);
        // Where one of the dead was found there is a place; it is left again.
        client.destroy();
      }
    };
    const look = async () => {
      while (!signal.aborted) most = Math.max(most, await connections(port));
    };
    await Promise.all([look(), ...Array.from({ length: KNOCKING }, (_, lane) => knock(lane))]);
    const { code, report } = await tool;
    expect(report.broken).toEqual([]);
    expect(code).toBe(0);
    expect(report.opened.count).toBe(INSIDE);
    expect(report.faulty.silent.found + report.faulty.stopped.found).toBe(60);
    expect(report.healthy).toMatchObject({ count: 440, lost: 0 });
    expect(answers.get(503)).toBeGreaterThan(1000);
    expect(most).toBeLessThanOrEqual(INSIDE);
  }, 240_000);
});
