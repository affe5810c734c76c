// Measures: memory.
/**
 * With `ws` 8.22.0, which a peer can make eat memory by pings whose pongs it does not read, this library must still hold the
 * promised 10 MB for each hostile connection.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HeartbeatOptions } from 'nestjs-heartbeat';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import { type Attack, attackedServer, COLLECT_SOON, MAX_COST_BYTES } from '../support/faults/attack.js';
import { INSTALL_WS_MS, installWs } from '../support/servers/other-ws.js';

const VERSION = '8.22.0';
/** As many as make what any process that works may grow by a small part of each one's cost. */
const ATTACKERS = 8;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'old-ws-'));
  await installWs(VERSION, folder);
}, INSTALL_WS_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** So many at once send pings as fast as they are taken and read nothing, until all are gone. */
async function floodPings(attack: Attack, count: number, payload: string): Promise<void> {
  const attackers = await attack.openClients(count);
  for (const attacker of attackers) {
    attacker.pause();
    // The kernel takes over a million small pongs; what is meant are those that this process has to keep.
    if (payload.length < 2) attacker.sendEvent('fill', { bytes: 65_536, waiting: 131_072 });
  }
  const pings = Buffer.concat(Array.from({ length: 5000 }, () => encodeFrame({ opcode: Opcode.ping, payload })));
  let isOver = false;
  const pump = (socket: Socket) => {
    // In the next turn: a line that takes all at once would leave no other work its time.
    if (!isOver && !socket.destroyed) socket.write(pings, () => setImmediate(() => pump(socket)));
  };
  for (const { socket } of attackers) pump(socket);
  try {
    await attack.emptied(0, 8000);
  } finally {
    isOver = true;
  }
}

/** An attack by one and then by several costs little, and ends; returns how. */
async function endsOf(attack: Attack, payload: string): Promise<string[]> {
  await floodPings(attack, 1, payload);
  expect(await attack.complaints()).toEqual([]);
  await floodPings(attack, ATTACKERS, payload);
  expect(attack.costOfEach(ATTACKERS)).toBeLessThan(MAX_COST_BYTES);
  expect(attack.isAlive).toBe(true);
  return attack.closed();
}

const each = (code: string) => Array(1 + ATTACKERS).fill(expect.stringContaining(code));

const serverWith = (limits: HeartbeatOptions['limits']) =>
  attackedServer(() => ({
    options: { limits, backpressure: { slowAfterMs: 2000 }, drain: { closeTimeoutMs: 500 } },
    nodeArgs: ['--import', './test/e2e/other-ws.mjs', ...COLLECT_SOON],
    env: { WS_FOLDER: join(folder, 'node_modules/ws') },
  }));

describe(`With ws ${VERSION} a flood of pings whose pongs are not read costs little and ends`, () => {
  describe('by default', () => {
    const attacked = serverWith({});

    it('with 4004', async () => {
      expect(await endsOf(attacked(), 'p'.repeat(125))).toEqual(each('4004'));
    });
  });

  describe('where the limit of pings is off,', () => {
    const attacked = serverWith({ pingsPerSecond: 0 });

    it.each([
      ['large ones', 'p'.repeat(125)],
      ['empty ones', ''],
      ['ones of one byte', 'p'],
    ])('%s, with 4003', async (_, payload) => {
      expect(await endsOf(attacked(), payload)).toEqual(each('4003'));
    });
  });
});
