/**
 * Tens of thousands come and go, in every way there is; then nothing of them is left. The server is a process of its own that can
 * be asked what it holds (test/e2e/connections-app.ts), down to a heap snapshot.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { beat } from '../support/servers/app.js';
import type { ConnectionsApp } from './connections-app.js';
import { countObjects } from '../support/assert/heap-snapshot.js';
import { Program } from '../support/servers/program.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const MAX_CONNECTIONS = 400;
const OPTIONS = {
  heartbeat: beat(1000, 400),
  limits: { maxConnections: MAX_CONNECTIONS },
  drain: { closeTimeoutMs: 1000 },
  // Small, and full after the warming up: what is remembered on purpose does not grow any more.
  closedHistory: 100,
};
/** How many come and go at once. */
const LANES = 80;

/** One way to come and go. */
interface Way {
  /** In the whole churn. */
  readonly count: number;
  /** The event of the server for it: `<code> <side>` of the close, or a refusal; none for a client that never connected. */
  readonly told?: string;
  go(client: RawClient): Promise<unknown>;
}

let serial = 0;

async function open(client: RawClient): Promise<void> {
  const { status } = await client.open();
  if (status !== 101) throw new Error(`the upgrade was answered ${status}`);
}

async function answered(client: RawClient, event: string, data?: unknown): Promise<void> {
  const before = client.messages.length;
  client.sendEvent(event, data);
  await until(() => client.messages.length > before, { message: `the answer to ${event}` });
}

const WAYS: Readonly<Record<string, Way>> = {
  'a Close of the client': {
    count: 5000,
    told: '1000 client',
    async go(client) {
      await open(client);
      client.close(1000, 'done');
      expect(await client.ended).toMatchObject({ code: 1000 });
    },
  },
  'a Close without a code, after an answer': {
    count: 1000,
    told: '1005 client',
    async go(client) {
      await open(client);
      await answered(client, 'echo', 'x');
      client.close();
      await client.ended;
    },
  },
  'an identified client with a disposer, a stream and a waiting handler': {
    count: 1500,
    told: '1001 client',
    async go(client) {
      await open(client);
      await answered(client, 'identify', `user ${(serial += 1) % 700}`);
      client.sendEvent('stream');
      client.sendEvent('wait');
      await answered(client, 'echo', 'x');
      client.close(1001);
      await client.ended;
    },
  },
  'a Close of the server': {
    count: 3000,
    told: '1000 server',
    async go(client) {
      await open(client);
      client.sendEvent('close me');
      expect(await client.ended).toMatchObject({ code: 1000, reason: 'as you like' });
    },
  },
  'a kick': {
    count: 2000,
    told: '4500 operator',
    async go(client) {
      await open(client);
      client.sendEvent('kick me');
      expect(await client.ended).toMatchObject({ code: 4500 });
    },
  },
  'a reset': {
    count: 2500,
    told: '1006 network',
    async go(client) {
      await open(client);
      client.reset();
    },
  },
  'an end without a Close': {
    count: 1000,
    told: '1006 network',
    async go(client) {
      await open(client);
      client.destroy();
    },
  },
  'a protocol error': {
    count: 500,
    told: '1002 server',
    async go(client) {
      await open(client);
      client.sendFrame({ opcode: 3 });
      expect(await client.ended).toMatchObject({ code: 1002 });
    },
  },
  silence: {
    count: 50,
    told: '4000 server',
    async go(client) {
      await open(client);
      client.silent();
      await client.ended;
    },
  },
  'a path that nobody serves': {
    count: 1500,
    told: 'no-such-path',
    async go(client) {
      expect(await client.open()).toMatchObject({ status: 404 });
      await client.ended;
    },
  },
  'a bad upgrade': {
    count: 500,
    told: 'bad-upgrade',
    async go(client) {
      expect(await client.open()).toMatchObject({ status: 400 });
      await client.ended;
    },
  },
  'half a handshake': {
    count: 1000,
    async go(client) {
      await client.connect();
      client.sendRaw(client.handshake().slice(0, 70));
      client.reset();
    },
  },
};

let server: ServerProcess;
let program: Program;
let folder: string;

async function ask(path: string): Promise<ConnectionsApp> {
  const answer = await fetch(`${server.url}${path}`, { headers: { connection: 'close' } });
  return (await answer.json()) as ConnectionsApp;
}

/** Waits until the registry is empty, and no socket is open but that of the request. */
async function everybodyGone(): Promise<void> {
  await until(
    async () => {
      const { connections, resources } = await ask('/counts');
      return connections === 0 && resources['TCPSocketWrap'] === 1;
    },
    { timeoutMs: 10_000 },
  );
}

/** The memory of the server after a garbage collection. */
async function heap(name: string): Promise<{ counts: ConnectionsApp; objects: ReadonlyMap<string, number> }> {
  const file = join(folder, name);
  const counts = await ask(`/heap?file=${encodeURIComponent(file)}`);
  return { counts, objects: await countObjects(file) };
}

function newClient(way: string): RawClient {
  serial += 1;
  return new RawClient({
    port: server.port,
    path: way === 'a path that nobody serves' ? '/nowhere' : '/ws',
    headers: way === 'a bad upgrade' ? { 'Sec-WebSocket-Key': 'none' } : {},
    // Ports that were just used must rest for a minute: many addresses have many.
    localAddress: `127.0.${1 + (serial % 8)}.${1 + (serial % 200)}`,
  });
}

/** Opens and closes this share of all clients, mixed. */
async function churn(share: number): Promise<void> {
  const queue = Object.entries(WAYS)
    .flatMap(([name, { count }]) => Array.from({ length: Math.ceil(count * share) }, () => name))
    .map(name => ({ name, at: Math.random() }))
    .toSorted((left, right) => left.at - right.at)
    .map(({ name }) => name);
  const total = queue.length;
  let done = 0;
  const startedAt = performance.now();
  const lane = async (): Promise<void> => {
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      await WAYS[name]?.go(newClient(name));
      if ((done += 1) % 5000 === 0) progress(done, total, startedAt);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

function progress(done: number, total: number, startedAt: number): void {
  const seconds = (performance.now() - startedAt) / 1000;
  process.stderr.write(
    `churn: ${done} of ${total} in ${seconds.toFixed(1)} s, ${Math.round(done / seconds)} a second\n`,
  );
}

/** Takes every place, lets so many more come, and leaves. */
async function fillUp(tooMany: number): Promise<void> {
  const guests = Array.from({ length: MAX_CONNECTIONS }, () => newClient('a guest'));
  for (let at = 0; at < guests.length; at += LANES) await Promise.all(guests.slice(at, at + LANES).map(open));
  for (let refusals = 0; refusals < tooMany; refusals += 10) {
    const late = Array.from({ length: 10 }, () => newClient('too many'));
    const answers = await Promise.all(late.map(client => client.open()));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503));
  }
  for (const guest of guests) guest.close(4999);
  await Promise.all(guests.map(({ ended }) => ended));
}

/** By how much each count has grown. */
function since(now: Readonly<Record<string, number>>, then: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(now).map(([name, count]) => [name, count - (then[name] ?? 0)]));
}

describe('when 20,000 have come and gone in every way', () => {
  const CAPACITY_REFUSALS = 600;
  const GUESTS = 50;
  let before: Awaited<ReturnType<typeof heap>>;
  let after: Awaited<ReturnType<typeof heap>>;
  /** While there were guests. */
  let meanwhile: ReadonlyMap<string, number>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'churn-'));
    program = await Program.compile('e2e/connections-app');
    server = await ServerProcess.start({
      entry: program.entry,
      nodeArgs: ['--expose-gc'],
      env: { OPTIONS: JSON.stringify(OPTIONS) },
    });
    // An object that is made once, at the first use, is no leak.
    await churn(0.03);
    await fillUp(10);
    await everybodyGone();
    meanwhile = await heapWithGuests();
    await everybodyGone();
    before = await heap('before.heapsnapshot');
    await churn(1);
    await fillUp(CAPACITY_REFUSALS);
    await everybodyGone();
    after = await heap('after.heapsnapshot');
  }, 240_000);

  afterAll(async () => {
    await ServerProcess.stopAll();
    await program.remove();
    await rm(folder, { recursive: true });
  });

  /** The memory of the server with this many connections, each with a resource. */
  async function heapWithGuests(): Promise<ReadonlyMap<string, number>> {
    const guests = Array.from({ length: GUESTS }, () => newClient('a guest'));
    await Promise.all(guests.map(open));
    await Promise.all(guests.map(guest => answered(guest, 'identify', 'guest')));
    const { objects } = await heap('meanwhile.heapsnapshot');
    for (const guest of guests) guest.close(4999);
    await Promise.all(guests.map(({ ended }) => ended));
    return objects;
  }

  /** By how much a class's objects have become more. */
  function grown(name: string): number {
    return (after.objects.get(name) ?? 0) - (before.objects.get(name) ?? 0);
  }

  it('each was counted once, by what really happened', () => {
    const expected: Record<string, number> = {
      'at-capacity': CAPACITY_REFUSALS,
      '4999 client': MAX_CONNECTIONS,
    };
    for (const { told, count } of Object.values(WAYS)) {
      if (told !== undefined) expected[told] = (expected[told] ?? 0) + count;
    }
    const told = {
      ...since(after.counts.closed, before.counts.closed),
      ...since(after.counts.refused, before.counts.refused),
    };
    expect(told).toEqual(expected);
    const closed = Object.values(after.counts.closed).reduce((sum, count) => sum + count, 0);
    expect(after.counts.opened).toBe(closed);
    expect(after.counts.disconnects).toBe(closed);
  });

  it('the registry and its indexes are empty, and every disposer has run', () => {
    expect(after.counts.connections).toBe(0);
    expect(after.counts.indexed).toEqual([]);
    expect(after.counts.disposed - before.counts.disposed).toBe(1500);
  });

  it('no connection, and nothing that hung on one, is left in memory', () => {
    const ours = ['Connection', 'Pulse', 'Lifetime', 'Subscription', 'AbortController', 'AbortSignal'];
    const those = ours.slice(0, 3);
    // The prototype of the class is an object of the published class, which has the same name.
    const prototypes: Readonly<Record<string, number>> = { Connection: 1 };
    const count = (objects: ReadonlyMap<string, number>, name: string) =>
      `${name} ${(objects.get(name) ?? 0) - (prototypes[name] ?? 0)}`;
    // That is how they show while they are there.
    expect(those.map(name => count(meanwhile, name))).toEqual(those.map(name => `${name} ${GUESTS}`));
    expect(those.map(name => count(after.objects, name))).toEqual(those.map(name => `${name} 0`));
    expect(ours.map(name => `${name} ${grown(name)}`)).toEqual(ours.map(name => `${name} 0`));
  });

  it('no more sockets are held than the two that Nest keeps: the last to come and the last to go', () => {
    expect(meanwhile.get('TrackedSocket')).toBeGreaterThanOrEqual(GUESTS);
    expect(after.objects.get('TrackedSocket') ?? 0).toBeLessThanOrEqual(2);
    const parts = ['Receiver', 'Sender', 'Socket', 'TCP'];
    expect(parts.map(grown).filter(count => count > 2)).toEqual([]);
  });

  it('no timer, listener or other resource of the process has come to stay', () => {
    const more = Object.entries(since(after.counts.resources, before.counts.resources));
    expect(more.filter(([name, count]) => count > 0 && name !== 'Immediate')).toEqual([]);
    expect(after.counts.listeners).toEqual(before.counts.listeners);
    expect(grown('Timeout')).toBeLessThanOrEqual(5);
  });

  it('the heap has not grown by more than a hundred bytes for each', () => {
    const bytes = after.counts.heapBytes - before.counts.heapBytes;
    process.stderr.write(`churn: the heap has grown by ${Math.round(bytes / 1024)} kB\n`);
    expect(bytes).toBeLessThan(2_000_000);
  });
});
