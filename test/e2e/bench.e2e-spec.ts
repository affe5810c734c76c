/** The bench as users run it, in its smallest form: that it works and leaves nothing behind. Its figures are not judged here. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FIGURES } from '../../apps/bench/src/figures.js';
import type { Results } from '../../apps/bench/src/results.js';
import { until } from '../support/assert/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BENCH = 'dist/apps/bench/src/main.js';
/** All that a goal is set for or against. */
const SERVERS = 'ws,ws-spread,nest,nest-recipe,socket-io,nest-io,heartbeat,heartbeat-io';
/** As small as it may be: each part is started and ended all the same. */
const QUICK = ['--quick', '--connections', '100', '--servers', SERVERS];
const run = promisify(execFile);

describe('npm run bench -- --quick', () => {
  let folder: string;
  let table: string;
  let results: Results;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bench-test-'));
    ({ stdout: table } = await run(process.execPath, [BENCH, ...QUICK, '--out', folder], {
      cwd: ROOT,
    }));
    results = JSON.parse(await readFile(join(folder, 'results.json'), 'utf8')) as Results;
  }, 900_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('has a figure of ours in every row, and of a peer in every row with a goal against one', () => {
    expect(Object.keys(results.figures)).toEqual(Object.keys(FIGURES));
    for (const [figure, { goals = [] }] of Object.entries(FIGURES)) {
      const found = results.figures[figure] ?? {};
      const asked = ['heartbeat', ...goals.flatMap(({ against = [] }) => against)];
      expect([figure, asked.filter(server => !Number.isFinite(found[server]?.[0]))]).toEqual([figure, []]);
    }
  });

  it('holds every goal against what was found', () => {
    const goals = Object.values(FIGURES).flatMap(({ goals: set = [] }) => set);
    expect(results.goals).toHaveLength(goals.length);
    expect(results.goals.filter(({ value }) => !Number.isFinite(value))).toEqual([]);
  });

  it('prints one table', () => {
    const rows = table.split('\n').filter(line => line.startsWith('|'));
    expect(rows).toHaveLength(2 + Object.keys(FIGURES).length);
  });

  it('draws pictures that are whole', async () => {
    const pictures = (await readdir(folder)).filter(name => name.endsWith('.svg'));
    expect(pictures.toSorted()).toEqual(['echo-times.svg', 'side-by-side.svg']);
    for (const name of pictures) {
      const svg = await readFile(join(folder, name), 'utf8');
      expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    }
  });
});

describe('npm run bench', () => {
  it('refuses what it cannot do, with status 2', async () => {
    const refused = run(process.execPath, [BENCH, '--rounds', '0'], { cwd: ROOT });
    await expect(refused).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('--rounds is 0') });
  });

  it('ends its processes on Ctrl-C', async () => {
    const bench = spawn(process.execPath, [BENCH, '--quick'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
    let told = '';
    bench.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
    const ended = new Promise(resolve => bench.once('close', resolve));
    await until(() => told.includes('throughput'), { timeoutMs: 20_000 });
    const children = await childrenOf(bench.pid ?? 0);
    expect(children.length).toBeGreaterThan(1);
    bench.kill('SIGINT');
    expect(await ended).toBe(130);
    await until(() => children.every(pid => !isAlive(pid)), { message: () => `the end of ${children.join(', ')}` });
  });
});

async function childrenOf(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return list.split(' ').filter(Boolean).map(Number);
}

/** A process that has ended and was not reaped yet is still listed, as a zombie. */
function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
