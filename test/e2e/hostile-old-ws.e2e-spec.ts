/**
 * With `ws` 8.22.0, which a peer can make eat memory by pings whose pongs it does not read, this library must still hold the
 * contract's 10 MB for each hostile connection.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeFrame, Opcode } from '../support/frame.js';
import { MAX_COST_BYTES, Siege } from '../support/siege.js';
import { until } from '../support/until.js';

const VERSION = '8.22.0';
let folder = '';
let isThere = false;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'old-ws-'));
  try {
    const words = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `ws@${VERSION}`];
    await promisify(execFile)('npm', words, { cwd: folder, timeout: 20_000 });
    const { version } = JSON.parse(await readFile(join(folder, 'node_modules/ws/package.json'), 'utf8')) as {
      version: string;
    };
    isThere = version === VERSION;
  } catch {
    // Where no registry answers there is nothing to attack; the same is tested against the project's own version elsewhere.
  }
});
afterEach(() => Siege.raiseAll());
afterAll(() => rm(folder, { recursive: true, force: true }));

describe(`With ws ${VERSION}`, () => {
  it.each([
    ['as many as the default lets pass', {}, '4004'],
    ['where the limit of pings is off', { pingsPerSecond: 0 }, '4003'],
  ])('a flood of pings whose pongs are not read, %s, costs little and ends', async (_, limits, code) => {
    if (!isThere) return console.warn(`ws ${VERSION} could not be had: not tested`);
    const siege = await Siege.lay({
      options: { limits, backpressure: { slowAfterMs: 2000 }, drain: { closeTimeoutMs: 500 } },
      nodeArgs: ['--import', './test/support/other-ws.mjs'],
      env: { WS_FOLDER: join(folder, 'node_modules/ws') },
    });
    const [attacker] = await siege.crowd(1);
    attacker!.pause();
    const pings = Buffer.concat(
      Array.from({ length: 5000 }, () => encodeFrame({ opcode: Opcode.ping, payload: 'p'.repeat(125) })),
    );
    const { socket } = attacker!;
    let isOver = false;
    const pump = () => {
      // In the next turn: a line that takes all at once would leave no other work its time.
      if (!isOver && !socket.destroyed) socket.write(pings, () => setImmediate(pump));
    };
    pump();
    try {
      await siege.emptied(0, 8000);
    } finally {
      isOver = true;
      socket.destroy();
    }
    expect(siege.costOfEach(1)).toBeLessThan(MAX_COST_BYTES + PROCESS_NOISE_BYTES);
    const client = await siege.opened();
    client.sendEvent('closed');
    await until(() => client.messages.length === 1);
    expect((client.json[0] as { data: string[] }).data[0]).toContain(code);
    expect(await siege.complaints()).toEqual([]);
  });
});

/** What the young generation of any process that works may grow by. */
const PROCESS_NOISE_BYTES = 64 * 1024 * 1024;
