/** The table of foreign clients in docs/protocol.md, against the libraries as they are installed. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { until } from '../support/assert/until.js';
import { read, ROOT } from '../support/documents.js';
import { CASES, NODE_CLIENTS, PYTHON_CLIENT } from './foreign-clients/cases.js';
import { ForeignClients, PYTHON } from './foreign-clients/foreign-clients.js';
import { ForeignServer } from './foreign-clients/foreign-server.js';

const SPEED = 5;
/** Longer than the longest first delay of the table. */
const WATCHED_MS = 8000 / SPEED;
/** Timers have whole milliseconds, the cells have tenths of a second, and a busy machine notes the end of a connection late. */
const TOO_EARLY_S = 0.3;
/** What a busy machine may add to a delay. */
const TOO_LATE_S = 2 * SPEED;

interface Row {
  readonly client: string;
  readonly version: string;
  /** The text of the cell for each case. */
  readonly cells: Readonly<Record<string, string>>;
}

function documentedRows(): Row[] {
  const [, section = ''] = read('docs/protocol.md').split('## What client libraries do');
  const [header = [], , ...rows] = section
    .split('\n')
    .filter(line => line.startsWith('|'))
    .map(line => line.split('|').slice(1, -1))
    .map(cells => cells.map(cell => cell.trim()));
  return rows.map(([name = '', ...cells]) => {
    const [, client = name, version = ''] = /`(.+)` (.+)$/.exec(name) ?? [];
    const byCase = header.slice(1).flatMap((names, index) => names.split(', ').map(key => [key, cells[index] ?? '']));
    return { client, version, cells: Object.fromEntries(byCase) as Record<string, string> };
  });
}

/** The bounds of a delay in seconds; null for `no`. */
function boundsOf(cell: string): readonly [number, number] | null {
  if (cell === 'no') return null;
  if (cell === 'at once') return [0, 0];
  const [, least, most = least] = /^([\d.]+)(?:–([\d.]+))? s$/.exec(cell) ?? [];
  return [Number(least), Number(most)];
}

function installedVersion(client: string): string {
  const text =
    client === PYTHON_CLIENT
      ? spawnSync(PYTHON, ['-c', 'import websockets; print(websockets.__version__)'], { encoding: 'utf8' }).stdout
      : (JSON.parse(readFileSync(join(ROOT, 'node_modules', client, 'package.json'), 'utf8')) as Record<string, string>)
          .version!;
  return text.trim().split('.', 2).join('.');
}

const rows = documentedRows();
const installed = new Map([...NODE_CLIENTS, PYTHON_CLIENT].map(client => [client, installedVersion(client)]));
/** The rows that the processes of this test can check. */
const checked = rows.filter(({ client, version }) => installed.get(client) === version);
const cases = Object.keys(CASES);

describe('the table of foreign clients', () => {
  let server: ForeignServer;
  let clients: ForeignClients;
  let browser: Browser;
  let shown: Record<string, string>;

  beforeAll(async () => {
    server = await ForeignServer.start();
    clients = new ForeignClients(server, SPEED);
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-quic'] });
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.port}/`);
    const places = cases.map(name => [name, `ws://127.0.0.1:${server.port}/most/${name}/chromium`] as const);
    shown = await page.evaluate(codesShown, places);
    await until(() => clients.haveMet, { timeoutMs: 60_000 });
    const metAt = performance.now();
    await until(() => performance.now() - metAt > WATCHED_MS);
  });

  afterAll(async () => {
    await browser?.close();
    await clients?.stop();
    await server?.stop();
  });

  it('has a row for each client, and for each version that is installed', () => {
    const missing = [...installed].filter(([client]) => !checked.some(row => row.client === client));
    expect(missing).toEqual([]);
  });

  it.each(cases)('shows which clients return after %s, and when', async name => {
    const different = await Promise.all(checked.map(row => differenceOf(clients, row, name)));
    expect(different.flat()).toEqual([]);
  });

  it('has Chromium, which shows codes and reasons and does not return', () => {
    const expected = cases.map(name => {
      const met = CASES[name]!;
      return [name, typeof met === 'object' && 'code' in met ? `${met.code} ${met.reason}` : '1006 '];
    });
    expect(shown).toEqual(Object.fromEntries(expected));
    const { cells } = rows.find(({ client }) => client === 'Chromium')!;
    for (const name of cases) {
      expect(server.visitsOf(`most/${name}/chromium`).attempts).toHaveLength(1);
      expect(cells[name]).toBe('no');
    }
  });
});

/** What a client did that its cell does not show. */
async function differenceOf(clients: ForeignClients, { client, cells }: Row, name: string): Promise<string[]> {
  const documented = cells[name]!;
  const bounds = boundsOf(documented);
  if (bounds !== null) {
    await until(() => clients.firstReturn(client, name) !== null, { message: `${client} to return after ${name}` });
  }
  const first = clients.firstReturn(client, name);
  const delays = first === null ? [] : [first.least, first.most];
  const isRight = delays.every((seconds, index) => {
    const bound = bounds?.[index] ?? NaN;
    return seconds > bound - TOO_EARLY_S && seconds < bound + TOO_LATE_S;
  });
  return isRight ? [] : [`${client} returned after ${delays.join(' to ')} s, and not "${documented}"`];
}

/** Runs in the page: the code and the reason that each address shows. */
async function codesShown(places: readonly (readonly [string, string])[]): Promise<Record<string, string>> {
  const ends = places.map(([name, url]) => {
    const socket = new WebSocket(url);
    socket.addEventListener('open', () => socket.send('ready'));
    return new Promise<[string, string]>(resolve => {
      socket.addEventListener('close', ({ code, reason }) => resolve([name, `${code} ${reason}`]));
    });
  });
  return Object.fromEntries(await Promise.all(ends));
}
