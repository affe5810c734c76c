// Measures: memory.
/**
 * Messages of a few bytes to a client that has stopped reading: each costs the process hundreds of bytes beside its own, so that a limit
 * of bytes alone would let one client cost 30 MB and more.
 */
import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import {
  type Attack,
  attackedServer,
  type AttackOptions,
  COLLECT_SOON,
  MAX_COST_BYTES,
} from '../support/faults/attack.js';
import { until } from '../support/assert/until.js';

const CLIENTS = 8;
const KIB = 1024;

const SERVER: AttackOptions = {
  // Only the number of its messages closes a client, not their age.
  options: { drain: { closeTimeoutMs: 500 }, backpressure: { slowAfterMs: 60_000 } },
  nodeArgs: COLLECT_SOON,
  observer: false,
};

/** Clients that read nothing, and for which the kernel takes nothing any more. */
async function stoppedReaders(attack: Attack) {
  const { filled } = await attack.state();
  const clients = await attack.openClients(CLIENTS);
  for (const client of clients) {
    client.pause();
    client.sendEvent('fill-line', { bytes: 64 * KIB, waiting: 128 * KIB });
  }
  await until(async () => (await attack.state()).filled === filled + CLIENTS, { timeoutMs: 20_000 });
  return clients;
}

// A server for each way: memory that the system has not taken back from it counts in what follows.
describe.each([
  ['socket', [0, 16]],
  ['connection', [16, 0]],
  ['broadcast', [16]],
])('Small messages to a reader that has stopped, sent by %s,', (by, sizes) => {
  const attacked = attackedServer(SERVER);

  it.each(sizes)('of %d bytes, cost little, and close it with 4003', async bytes => {
    const attack = attacked();
    const clients = await stoppedReaders(attack);
    for (const client of clients) client.sendEvent('pour', { bytes, count: 5000, by });
    await attack.emptied(0, 20_000);
    expect(attack.costOfEach(CLIENTS)).toBeLessThan(MAX_COST_BYTES);
    expect(await attack.closed()).toEqual(Array(CLIENTS).fill('4003 slow consumer'));
  });
});

describe('Small messages', () => {
  const attacked = attackedServer(SERVER);

  it('to a reader that has stopped, as answers to its own, cost little, and close it with 4003', async () => {
    const attack = attacked();
    const clients = await stoppedReaders(attack);
    const frames = Buffer.concat(
      Array.from({ length: 500 }, () => encodeFrame({ opcode: Opcode.text, payload: '{"event":"echo","data":1}' })),
    );
    let isOver = false;
    const pump = (socket: Socket) => {
      if (!isOver && !socket.destroyed) socket.write(frames, () => setImmediate(() => pump(socket)));
    };
    for (const { socket } of clients) pump(socket);
    try {
      await attack.emptied(0, 20_000);
    } finally {
      isOver = true;
    }
    expect(attack.costOfEach(CLIENTS)).toBeLessThan(MAX_COST_BYTES);
    expect(await attack.closed()).toEqual(Array(CLIENTS).fill('4003 slow consumer'));
  });

  it('in a burst reach a client that reads', async () => {
    const attack = attacked();
    const client = await attack.opened();
    client.sendEvent('pour', { bytes: 16, count: 50_000 });
    await until(() => client.messages.length === 50_000, { timeoutMs: 20_000 });
    expect(client.closeFrame).toBeNull();
  });
});
