// Measures: memory and the times of closes.
/**
 * Input of attackers. Beside each attack a well-behaved client in its own process echoes all the time and must
 * not be affected; the server's process must stay the same, and each attacker may cost at most 10 MB (docs/guarantees.md).
 * Attacks on servers with the same options are made on one, one after the other.
 */
import { afterAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { deflateRawSync } from 'node:zlib';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { Attack, attackedServer, COLLECT_SOON, MAX_COST_BYTES, type AttackOptions } from '../support/faults/attack.js';
import { until } from '../support/assert/until.js';

const SECOND = 1000;
/** Short limits, so that a test detects attackers within them. */
const QUICK: AttackOptions['options'] = {
  limits: { messageTimeoutMs: SECOND },
  backpressure: { slowAfterMs: SECOND },
  drain: { closeTimeoutMs: 500 },
};
/** The sockets are checked once a second, and a client that does not answer the close has half a second. */
const GONE_WITHIN_MS = SECOND + 2 * SECOND + 500;

afterAll(() => Attack.raiseAll());

/** Floods with pings of clients that read nothing. */
async function floodPings(clients: readonly RawClient[]): Promise<void> {
  const pings = copies(2000, { opcode: Opcode.ping, payload: 'p'.repeat(125) });
  await Promise.all(clients.map(client => flood(client, pings, 3 * SECOND)));
}

/** Writes `bytes` again and again, as fast as they are taken, until the socket has ended, the time is over, or it suffices. */
async function flood({ socket }: RawClient, bytes: Buffer, forMs: number, suffices = () => false): Promise<void> {
  const end = performance.now() + forMs;
  while (performance.now() < end && !socket.destroyed && !suffices()) {
    await new Promise<void>(resolve => {
      const goOn = () => {
        clearTimeout(timer);
        socket.off('close', goOn);
        resolve();
      };
      // A client that reads nothing is not pinged again before the time is over.
      const timer = setTimeout(goOn, end - performance.now());
      socket.once('close', goOn);
      socket.write(bytes, () => setImmediate(goOn));
    });
  }
}

function copies(count: number, frame: Parameters<typeof encodeFrame>[0]): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => encodeFrame(frame)));
}

/** All of them have ended by `deadline`; answers with which codes. */
async function endsOf(clients: readonly RawClient[], withinMs: number): Promise<number[]> {
  const codes: number[] = [];
  for (const client of clients) void client.ended.then(({ code }) => codes.push(code));
  await until(() => codes.length === clients.length, {
    timeoutMs: withinMs,
    message: () => `${clients.length} connections to end; ${codes.length} have`,
  });
  return codes;
}

describe('At a server with short limits', () => {
  const attacked = attackedServer({ options: QUICK, nodeArgs: COLLECT_SOON });

  it('a flood of pings, whose pongs are not read, ends with 4004 before it costs anything', async () => {
    const attack = attacked();
    const clients = await attack.openClients(20);
    for (const client of clients) client.pause();
    await floodPings(clients);
    expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
    await attack.emptied();
    expect(await attack.closed()).toEqual(Array(20).fill('4004 too many pings'));
    expect(await attack.complaints()).toEqual([]);
  });

  it('a flood of unsolicited pongs ends with 4004 as one of pings does', async () => {
    const attack = attacked();
    const clients = await attack.openClients(20);
    const pongs = copies(10_000, { opcode: Opcode.pong });
    await Promise.all(clients.map(client => flood(client, pongs, 3 * SECOND)));
    expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
    await attack.emptied();
    expect(await attack.closed()).toEqual(Array(20).fill('4004 too many pings'));
    expect(await attack.complaints()).toEqual([]);
  });

  it.each([
    ['messages', '{"event":"echo","data":1}'],
    ['messages that are none', 'what is no JSON at all'],
    ['messages that nothing takes', '{"event":"else"}'],
  ])(
    'a flood of %s by ten at once, where their number is not limited, is endured and costs little',
    async (_, payload) => {
      const attack = attacked();
      const clients = await attack.openClients(10);
      const bytes = copies(1000, { opcode: Opcode.text, payload });
      // Replies are read and discarded, or this process would slow the attackers down.
      let answered = 0;
      for (const { socket } of clients) {
        socket.removeAllListeners('data').on('data', chunk => (answered += chunk.length));
      }
      await Promise.all(clients.map(client => flood(client, bytes, 2 * SECOND)));
      expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
      expect(await attack.complaints()).toEqual([]);
      // It was one: the shortest of these answers has 25 bytes.
      expect(answered).toBeGreaterThan(10_000 * 25);
      expect((await attack.state()).connections).toBe(10 + 1);
    },
  );

  it('a flood of messages that nothing takes, not read, ends by backpressure', async () => {
    const attack = attacked();
    const clients = await attack.openClients(2);
    for (const client of clients) client.pause();
    const messages = copies(500, { opcode: Opcode.text, payload: `{"event":"${'x'.repeat(60)}"}` });
    await Promise.all(clients.map(client => flood(client, messages, 6 * SECOND)));
    await attack.emptied();
    expect(attack.costOfEach(10)).toBeLessThan(MAX_COST_BYTES);
    expect(new Set(await attack.closed())).toEqual(new Set(['4003 slow consumer']));
    expect(await attack.complaints()).toEqual([]);
  });

  describe('A deflate bomb', () => {
    const EXTENSION = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
    /** RFC 7692, section 7.2.1: the last four bytes of a synchronising flush are left out. */
    const BOMB = deflateRawSync(Buffer.alloc(64 * 1024 * 1024), { finishFlush: 2 }).subarray(0, -4);

    it('of 64 MiB in one message ends with 1009', async () => {
      const attack = attacked();
      const clients = await attack.openClients(10, { path: '/deflate', headers: EXTENSION });
      for (const client of clients) client.sendFrame({ opcode: Opcode.binary, rsv: 4, payload: BOMB });
      expect(await endsOf(clients, 5 * SECOND)).toEqual(Array(10).fill(1009));
      expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
      expect(await attack.complaints()).toEqual([]);
    });

    it('that fits before inflation ends with 1009 too', async () => {
      const attack = attacked();
      const small = deflateRawSync(Buffer.alloc(4 * 1024 * 1024), { finishFlush: 2 }).subarray(0, -4);
      expect(small.length).toBeLessThan(65_536);
      const clients = await attack.openClients(20, { path: '/deflate', headers: EXTENSION });
      for (const client of clients) client.sendFrame({ opcode: Opcode.binary, rsv: 4, payload: small });
      expect(await endsOf(clients, 5 * SECOND)).toEqual(Array(20).fill(1009));
      expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
      expect(await attack.complaints()).toEqual([]);
    });

    it('is no bomb when it stays under the limit, and is echoed', async () => {
      const attack = attacked();
      const client = await attack.opened({ path: '/deflate', headers: EXTENSION });
      const text = JSON.stringify({ event: 'echo', data: 'a'.repeat(500) });
      const payload = deflateRawSync(Buffer.from(text), { finishFlush: 2 }).subarray(0, -4);
      client.sendFrame({ opcode: Opcode.text, rsv: 4, payload });
      await until(() => client.messages.length === 1);
      expect(client.json).toEqual([JSON.parse(text)]);
      expect(client.closeFrame).toBeNull();
    });
  });

  describe('A message that does not end', () => {
    it('of endless fragments ends with 1008 at maxFragments', async () => {
      const attack = attacked();
      const clients = await attack.openClients(10);
      const fragments = copies(2000, { opcode: Opcode.continuation, fin: false, payload: 'x' });
      for (const client of clients) {
        client.sendFrame({ opcode: Opcode.text, fin: false, payload: 'x' });
        client.sendRaw(fragments);
      }
      expect(await endsOf(clients, 5 * SECOND)).toEqual(Array(10).fill(1008));
      expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
      expect(await attack.complaints()).toEqual([]);
    });

    it('of fragments that come slowly, or that are empty, is found within messageTimeoutMs', async () => {
      const attack = attacked();
      const clients = await attack.openClients(10);
      for (const client of clients) client.sendFrame({ opcode: Opcode.text, fin: false, payload: '' });
      const timer = setInterval(() => {
        for (const client of clients) {
          if (client.socket.writable) client.sendFrame({ opcode: Opcode.continuation, fin: false, payload: '' });
        }
      }, 50);
      try {
        expect(await endsOf(clients, GONE_WITHIN_MS)).toEqual(Array(10).fill(4004));
      } finally {
        clearInterval(timer);
      }
      expect(await attack.closed()).toEqual(Array(10).fill('4004 message unfinished for too long'));
      expect(await attack.complaints()).toEqual([]);
    });

    it('because only its header came, is found within messageTimeoutMs', async () => {
      const attack = attacked();
      const clients = await attack.openClients(4);
      const whole = encodeFrame({ opcode: Opcode.text, payload: 'x'.repeat(1000) });
      clients.forEach((client, i) => client.sendRaw(whole.subarray(0, [1, 2, 8, 500][i])));
      expect(await endsOf(clients, GONE_WITHIN_MS)).toEqual(Array(4).fill(4004));
    });

    it('because it comes byte by byte, is found within messageTimeoutMs and costs little', async () => {
      const attack = attacked();
      const clients = await attack.openClients(10);
      for (const client of clients)
        client.sendRaw(encodeFrame({ opcode: Opcode.binary, payload: Buffer.alloc(65_536) }).subarray(0, 14));
      const timer = setInterval(() => {
        for (const client of clients) for (let i = 0; i < 20 && client.socket.writable; i++) client.sendRaw('x');
      }, 5);
      try {
        expect(await endsOf(clients, GONE_WITHIN_MS)).toEqual(Array(10).fill(4004));
      } finally {
        clearInterval(timer);
      }
      expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
      expect(await attack.complaints()).toEqual([]);
    });

    it('but does end in time, though in single bytes, is answered', async () => {
      const attack = attacked();
      const client = await attack.opened();
      for (const byte of encodeFrame({ opcode: Opcode.text, payload: '{"event":"echo","data":"whole"}' })) {
        client.sendRaw(Buffer.from([byte]));
        await new Promise(resolve => setImmediate(resolve));
      }
      await until(() => client.messages.length > 0);
      expect(client.texts).toEqual(['{"event":"echo","data":"whole"}']);
    });
  });
});

describe('At a server that limits messages, but not pings', () => {
  const attacked = attackedServer({
    options: { ...QUICK, limits: { ...QUICK?.limits, pingsPerSecond: 0, messagesPerSecond: 500 } },
    nodeArgs: COLLECT_SOON,
  });

  it('a flood of pings, whose pongs are not read, ends', async () => {
    const attack = attacked();
    const clients = await attack.openClients(20);
    for (const client of clients) client.pause();
    await floodPings(clients);
    expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
    await attack.emptied();
    // By us, or before that by ws, which keeps so many pongs and no more.
    const end = expect.stringMatching(/^(4003 slow consumer|1006 terminated)$/);
    expect(await attack.closed()).toEqual(Array(20).fill(end));
    expect(await attack.complaints()).toEqual([]);
  });

  it('a flood of messages over messagesPerSecond ends with 4004, and its sender is not read any more', async () => {
    const attack = attacked();
    const clients = await attack.openClients(4);
    const messages = copies(500, { opcode: Opcode.text, payload: '{"event":"echo","data":1}' });
    await Promise.all(clients.map(client => flood(client, messages, 3 * SECOND)));
    await attack.emptied();
    expect(await attack.closed()).toEqual(Array(4).fill('4004 too many messages'));
    // Two seconds of counting may have begun while it was admitted; what the flood sent is many times that.
    for (const client of clients) expect(client.messages.length).toBeLessThanOrEqual(1000);
    expect(await attack.complaints()).toEqual([]);
  });
});

describe('At a server with limits that a client may use up', () => {
  const attacked = attackedServer({
    options: { limits: { messagesPerSecond: 20, pingsPerSecond: 10 } },
    observer: false,
  });

  it('as many pings as may be are not a flood', async () => {
    const attack = attacked();
    const client = await attack.opened();
    for (let i = 0; i < 10; i++) client.ping(`${i}`);
    await until(() => client.pongs.length === 10);
    expect(client.pongs.map(({ data }) => String(data))).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
    expect(client.closeFrame).toBeNull();
  });

  it('what came while the server itself stood still is no flood, and is read at once', async () => {
    const attack = attacked();
    const [blocker, pinging, talking] = (await attack.openClients(3)) as [RawClient, RawClient, RawClient];
    blocker.sendEvent('block', { forMs: 3000, eachMs: 3000 });
    // Half of what each may send.
    const timers = [
      setInterval(() => pinging.socket.writable && pinging.ping('on'), 200),
      setInterval(() => talking.socket.writable && talking.sendEvent('echo', 1), 100),
    ];
    try {
      await until(() => blocker.messages.length > 0, {
        timeoutMs: 10_000,
        message: () => `the end of the stall; closed: ${JSON.stringify(blocker.closeFrame)}`,
      });
      const [pongs, answers] = [pinging.pongs.length, talking.messages.length];
      const goOn = () => pinging.pongs.length > pongs + 3 && talking.messages.length > answers + 6;
      await until(() => goOn() || pinging.closeFrame !== null || talking.closeFrame !== null);
    } finally {
      timers.forEach(timer => clearInterval(timer));
    }
    expect([pinging.closeFrame, talking.closeFrame]).toEqual([null, null]);
  });
});

// On a server of its own: it reads none of them while they sleep, and would not see them leave.
it('a flood of messages whose handlers sleep is read no faster than they end', async () => {
  const attack = await Attack.lay({ options: QUICK, nodeArgs: COLLECT_SOON });
  const clients = await attack.openClients(10);
  const messages = copies(2000, { opcode: Opcode.text, payload: '{"event":"sleep","data":60000}' });
  await Promise.all(clients.map(client => flood(client, messages, 2 * SECOND)));
  // The default of maxInFlight for each.
  expect((await attack.state()).begun).toBe(10 * 64);
  expect(attack.costOfEach(clients.length)).toBeLessThan(MAX_COST_BYTES);
  expect(await attack.complaints()).toEqual([]);
});
