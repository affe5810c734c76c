/** How many may come in, and how fast: exactly so many, however many ask at once, and every way out gives its place back. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { performance } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import type { Authentication, HeartbeatOptions } from 'nestjs-heartbeat';
import { TestApp } from '../support/servers/app.js';
import { ask } from '../support/clients/ask.js';
import { collected } from '../support/assert/heap-bytes.js';
import type { HttpAnswer } from '../support/clients/http-answer.js';
import { RawClient } from '../support/clients/raw-client.js';
import { Attack } from '../support/faults/attack.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

afterEach(async () => {
  await Attack.raiseAll();
  await TestApp.closeAll();
});

function start(options: HeartbeatOptions): Promise<TestApp> {
  return TestApp.start({ gateways: [EchoGateway], options });
}

/** The user in the query, after the event loop has turned once, so that many ask at once. */
async function byQuery({ url = '' }: IncomingMessage): Promise<Authentication> {
  await new Promise(resolve => setImmediate(resolve));
  const user = new URLSearchParams(url.split('?')[1]).get('user');
  return user === null ? 'anonymous' : { userId: user };
}

/** Runs `work` so many times, some of them at once. */
async function many(count: number, atOnce: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const oneByOne = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, oneByOne));
}

function countByStatus(answers: readonly HttpAnswer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function typesOf(answers: readonly HttpAnswer[]): string[] {
  const refused = answers.filter(({ status }) => status !== 101);
  const types = refused.map(({ body }) => (JSON.parse(body) as { type: string }).type.replace(/^.*[/:#]/, ''));
  return [...new Set(types)];
}

describe('maxConnections', () => {
  it('lets exactly 500 of 2,000 in that come at once, and as many again when they have gone', async () => {
    const attack = await Attack.lay({
      options: { limits: { maxConnections: 501 }, health: { notReadyAtCapacity: true } },
      authenticate: 'user',
    });
    for (const round of [1, 2]) {
      const clients = Array.from({ length: 2000 }, (_, i) =>
        attack.client({ localAddress: `127.0.1.${1 + (i % 200)}` }),
      );
      await many(2000, 200, i => clients[i]!.connect());
      // All ask at once, and each is asked about for a moment. The observer has one of the 501 places.
      const answers = await Promise.all(clients.map(client => client.open()));
      expect({ round, ...countByStatus(answers) }).toEqual({ round, 101: 500, 503: 1500 });
      expect(typesOf(answers)).toEqual(['at-capacity']);
      const refused = answers.filter(({ status }) => status === 503);
      expect(refused.every(({ headers }) => Number(headers['retry-after']) >= 1)).toBe(true);
      const ready = await ask({ port: attack.server.port, path: '/health/ready' });
      expect(ready.status).toBe(503);
      expect(ready.text).toContain('capacity');
      for (const client of clients) client.destroy();
      await attack.emptied();
      expect((await ask({ port: attack.server.port, path: '/health/ready' })).status).toBe(200);
    }
    expect(await attack.complaints()).toEqual([]);
  }, 240_000);

  it('has every slot back after 6,000 clients that connect and reset', async () => {
    const attack = await Attack.lay({ options: { limits: { maxConnections: 101 } }, authenticate: 'user' });
    const { port } = attack.server;
    await many(6000, 50, async i => {
      const client = new RawClient({ port, localAddress: `127.0.1.${1 + (i % 200)}` });
      await client.connect();
      client.sendRaw(client.handshake());
      // A third resets with the question on its way, a third within authentication, a third right after the answer.
      if (i % 3 === 1) await new Promise(resolve => setImmediate(resolve));
      if (i % 3 === 2) await client.answer.catch(() => undefined);
      client.reset();
    });
    await attack.emptied();
    const clients = await attack.openClients(100);
    expect((await attack.client().open()).status).toBe(503);
    expect(clients).toHaveLength(100);
    expect(await attack.complaints()).toEqual([]);
  }, 240_000);
});

describe('An asynchronous authenticate', () => {
  it('loses no slot by 500 clients that reset while it runs', async () => {
    const attack = await Attack.lay({ options: { limits: { maxConnections: 501 } }, authenticate: 'slow' });
    const clients = Array.from({ length: 500 }, () => attack.client());
    await Promise.all(
      clients.map(async client => {
        await client.connect();
        client.sendRaw(client.handshake());
      }),
    );
    // The observer was asked about as well.
    await until(async () => (await attack.state()).asked === 501, { timeoutMs: 10_000 });
    for (const client of clients) client.reset();
    const again = Array.from({ length: 500 }, () => attack.client());
    const answers = await Promise.all(again.map(client => client.open()));
    expect(countByStatus(answers)).toEqual({ 101: 500 });
    expect(await attack.complaints()).toEqual([]);
  });

  it('that never settles is given up after handshakeTimeoutMs, and holds its place until then', async () => {
    const attack = await Attack.lay({
      options: { limits: { maxConnections: 501, handshakeTimeoutMs: 3000 } },
      authenticate: 'never',
    });
    const since = performance.now();
    const clients = Array.from({ length: 500 }, () => attack.client());
    const waiting = Promise.all(clients.map(client => client.open()));
    // The observer was asked about as well, and has a place.
    await until(async () => (await attack.state()).asked === 501, { timeoutMs: 2500 });
    // No connection has ended while the limits are checked.
    expect(typesOf([await attack.client().open()])).toEqual(['at-capacity']);
    const answers = await waiting;
    const tookMs = performance.now() - since;
    expect(countByStatus(answers)).toEqual({ 503: 500 });
    expect(tookMs).toBeGreaterThan(2900);
    expect(tookMs).toBeLessThan(6000);
    // Their signals have fired, and the places are there again.
    expect((await attack.state()).givenUp).toBe(500);
    const next = attack.client();
    await next.connect();
    next.sendRaw(next.handshake());
    await until(async () => (await attack.state()).asked === 502);
    expect(await attack.complaints()).toEqual([]);
  });

  it('is not called for clients that are refused without it', async () => {
    let asked = 0;
    const app = await start({
      limits: { maxPerIp: 1 },
      authenticate: () => {
        asked++;
        return 'anonymous';
      },
    });
    await app.opened();
    expect(asked).toBe(1);
    const refused = [
      await app.client().open(),
      await app.client({ path: '/nowhere' }).open(),
      await app.client({ headers: { Origin: 'http://elsewhere.example' } }).open(),
      await app.client({ headers: { 'Sec-WebSocket-Key': 'short' } }).open(),
    ];
    expect(refused.map(({ status }) => status)).toEqual([429, 404, 403, 400]);
    expect(asked).toBe(1);
  });

  it.each([
    ['nothing', () => undefined],
    ['true', () => true],
    ['a text', () => 'yes'],
    ['an identity without a user', () => ({ userId: '' })],
    ['an identity whose user is a number', () => ({ userId: 7 })],
    ['an error', () => Promise.reject(new Error('the database is away'))],
  ])('that answers %s admits no client', async (_, answer) => {
    const app = await start({ authenticate: answer as never });
    expect((await app.client().open()).status).toBe(401);
    expect(app.connections.count).toBe(0);
  });

  it('whose client has disconnected gets its signal, with a reason', async () => {
    const reasons: unknown[] = [];
    let asked = 0;
    const app = await start({
      authenticate: (_, signal) => {
        asked++;
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        return new Promise(resolve => signal.addEventListener('abort', () => resolve('anonymous')));
      },
    });
    const client = app.client();
    await client.connect();
    client.sendRaw(client.handshake());
    await until(() => asked === 1);
    client.reset();
    await until(() => reasons.length === 1);
    expect(reasons[0]).toBeInstanceOf(Error);
    expect(app.connections.count).toBe(0);
  });
});

describe('maxPerIp', () => {
  it('lets exactly so many of an address in that come at once, and others beside them', async () => {
    const app = await start({ limits: { maxPerIp: 7 }, authenticate: byQuery });
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => app.client({ localAddress: '127.0.0.2' }).open()),
    );
    expect(countByStatus(answers)).toEqual({ 101: 7, 429: 53 });
    expect(typesOf(answers)).toEqual(['ip-limit']);
    expect(answers.find(({ status }) => status === 429)?.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect((await app.client({ localAddress: '127.0.0.3' }).open()).status).toBe(101);
    app.connections.findByIp('127.0.0.2').forEach(connection => connection.close());
    await until(() => app.connections.count === 1);
    const again = await Promise.all(Array.from({ length: 20 }, () => app.client({ localAddress: '127.0.0.2' }).open()));
    expect(countByStatus(again)).toEqual({ 101: 7, 429: 13 });
  });
});

describe('maxPerUser', () => {
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- it belongs to these tests only
  const users = (app: TestApp, user: string, count: number): RawClient[] =>
    Array.from({ length: count }, () => app.client({ path: `/ws?user=${user}` }));

  it('with "refuse" lets exactly so many of a user in that come at once', async () => {
    const app = await start({ limits: { maxPerUser: 5 }, authenticate: byQuery });
    const answers = await Promise.all(users(app, 'ann', 40).map(client => client.open()));
    expect(countByStatus(answers)).toEqual({ 101: 5, 429: 35 });
    expect(typesOf(answers)).toEqual(['user-limit']);
    expect(app.connections.findByUser('ann').length).toBe(5);
    expect((await app.client({ path: '/ws?user=bob' }).open()).status).toBe(101);
    // Anonymous clients belong to no user.
    const anonymous = await Promise.all(Array.from({ length: 10 }, () => app.client().open()));
    expect(countByStatus(anonymous)).toEqual({ 101: 10 });
  });

  it('with "replace-oldest" closes the oldest with 4502 and is never one over', async () => {
    const app = await start({ limits: { maxPerUser: 3, onUserLimit: 'replace-oldest' }, authenticate: byQuery });
    const most = { open: 0 };
    const look = setInterval(() => {
      const open = app.connections.findByUser('ann').filter(({ state }) => state !== 'closing');
      most.open = Math.max(most.open, open.length);
    }, 1);
    app.onClose(() => clearInterval(look));
    const clients: RawClient[] = [];
    for (const client of users(app, 'ann', 3)) {
      clients.push(client);
      await client.open();
    }
    const newer = users(app, 'ann', 20);
    // They answer no Close, so that all the replaced stay on as long as they can.
    for (const client of clients) client.silent();
    const answers = await Promise.all(newer.map(client => client.open()));
    expect(countByStatus(answers)).toEqual({ 101: 20 });
    await until(() => clients.every(({ closeFrame }) => closeFrame !== null));
    expect(clients.map(({ closeFrame }) => closeFrame)).toEqual(
      clients.map(() => ({ code: 4502, reason: 'replaced by a newer connection' })),
    );
    await until(() => app.connections.findByUser('ann').length === 3);
    expect(most.open).toBe(3);
    expect(newer.filter(({ closeFrame }) => closeFrame === null)).toHaveLength(3);
  });

  it('with "replace-oldest" replaces no connection for a refused client', async () => {
    const app = await start({ limits: { maxPerUser: 1, onUserLimit: 'replace-oldest' }, authenticate: byQuery });
    const first = await app.opened({ path: '/ws?user=ann' });
    // `ws` refuses this only when the upgrade is finished.
    const answer = await app.client({ path: '/ws?user=ann', headers: { 'Sec-WebSocket-Protocol': 'a,,b' } }).open();
    expect(answer.status).toBe(400);
    first.sendEvent('echo', 1);
    await until(() => first.messages.length > 0 || first.closeFrame !== null);
    expect(first.closeFrame).toBeNull();
  });
});

describe('Upgrade rates', () => {
  it('lets a burst of as many as a second may have in, and advises a delay', async () => {
    const app = await start({ limits: { upgradesPerSecond: 5 } });
    const answers = await Promise.all(Array.from({ length: 30 }, () => app.client().open()));
    const { 101: opened = 0, 429: refused = 0 } = countByStatus(answers);
    // On a busy machine the burst itself may take long enough for one or two more.
    expect(opened).toBeGreaterThanOrEqual(5);
    expect(opened).toBeLessThanOrEqual(7);
    expect(opened + refused).toBe(30);
    expect(typesOf(answers)).toEqual(['upgrade-rate']);
    expect(answers.find(({ status }) => status === 429)?.headers['retry-after']).toBe('1');
    await until(async () => (await app.client().open()).status === 101, { timeoutMs: 2000 });
  });

  it('by address holds up only that address', async () => {
    const app = await start({ limits: { upgradesPerSecondPerIp: 2 } });
    const from = (localAddress: string, count: number) =>
      Promise.all(Array.from({ length: count }, () => app.client({ localAddress }).open()));
    const [loud, quiet] = await Promise.all([from('127.0.0.2', 20), from('127.0.0.3', 2)]);
    expect(countByStatus(loud)[101]).toBeLessThanOrEqual(4);
    expect(countByStatus(loud)[429]).toBeGreaterThanOrEqual(16);
    expect(countByStatus(quiet)).toEqual({ 101: 2 });
  });

  it('remembers 100,000 addresses behind a proxy in bounded memory', async () => {
    const app = await start({
      limits: { upgradesPerSecondPerIp: 1, upgradesPerSecond: 1, maxPerIp: 5 },
      trustedProxies: ['127.0.0.0/8'],
      authenticate: byQuery,
    });
    // One arrives over the network, as a template of an upgrade; the rest is passed to the server itself.
    const seen = new Promise<IncomingMessage>(resolve => app.app.getHttpServer().once('upgrade', resolve));
    await app.opened({ headers: { 'X-Forwarded-For': '192.0.2.1' } });
    const { method, url, headers, rawHeaders, httpVersionMajor, httpVersionMinor, socket } = await seen;
    const same = { method, url, rawHeaders, httpVersionMajor, httpVersionMinor, socket };
    const upgrade = (forwarded: string) => {
      const request = { ...same, headers: { ...headers, 'x-forwarded-for': forwarded } };
      const answer = new Line();
      app.app.getHttpServer().emit('upgrade', request, answer, Buffer.alloc(0));
      return answer.text;
    };
    const before = collected();
    const statuses: Record<string, number> = {};
    for (let i = 0; i < 100_000; i++) {
      const status = upgrade(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`).slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (i % 1000 === 0) await new Promise(resolve => setImmediate(resolve));
    }
    // All of them were judged, and next to all refused by the rate of all together, after their own was counted.
    expect({ ...statuses, suffices: (statuses['429'] ?? 0) > 99_900 }).toMatchObject({ suffices: true });
    // The answers linger for a second. Were each address remembered, it would be some 20 MB; half of them are.
    await until(() => collected() - before < 14 * 1024 * 1024, {
      timeoutMs: 5000,
      message: () => `the memory, which has grown by ${collected() - before}`,
    });
  }, 240_000);
});

/** A line that takes what is written to it. */
class Line extends Duplex {
  text = '';

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
