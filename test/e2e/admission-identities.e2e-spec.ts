/** Admission by identity: bans, late and expiring identities. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Authentication, BanList, type HeartbeatOptions } from 'nestjs-heartbeat';
import { ReaperService } from '../../libs/heartbeat/src/liveness/reaper.service.js';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';
import { start, byQuery, typeOf } from './admission-app.js';

afterEach(() => TestApp.closeAll());

/** A client of this address, through a proxy. */
const as = (ip: string, user = '') => ({
  headers: { 'X-Forwarded-For': ip },
  path: user === '' ? '/ws' : `/ws?user=${user}`,
});

const expiring = (inMs: number): HeartbeatOptions => ({
  authenticate: () => ({ userId: 'ann', expiresAt: Date.now() + inMs }),
  // Only the runs of the test.
  reaper: { cron: '0 0 1 1 *' },
});

describe('Bans', () => {
  const options: HeartbeatOptions = { trustedProxies: ['127.0.0.1'], authenticate: byQuery };

  it.each<['user' | 'ip' | 'cidr', string, ReturnType<typeof as>[], ReturnType<typeof as>[]]>([
    [
      'user',
      'ann',
      [as('203.0.113.1', 'ann'), as('203.0.113.2', 'ann')],
      [as('203.0.113.1', 'bob'), as('203.0.113.1')],
    ],
    ['ip', '203.0.113.1', [as('203.0.113.1'), as('203.0.113.1', 'bob'), as('::ffff:203.0.113.1')], [as('203.0.113.2')]],
    ['ip', '2001:DB8:0::1', [as('2001:db8::1')], [as('2001:db8::2')]],
    ['cidr', '203.0.113.0/25', [as('203.0.113.0'), as('203.0.113.127')], [as('203.0.113.128')]],
    ['cidr', '2001:db8::/32', [as('2001:db8:ffff::1')], [as('2001:db9::1')]],
  ])('of kind %s close connections with 4501 and refuse upgrades with 403 (%s)', async (kind, value, met, spared) => {
    const app = await start(options);
    const inside = await Promise.all(met.map(who => app.opened(who)));
    const outside = await Promise.all(spared.map(who => app.opened(who)));
    const bans = app.app.get(BanList);
    bans.ban({ kind, value, forMs: 60_000, reason: 'misbehaved' });
    for (const client of inside) expect(await client.ended).toMatchObject({ code: 4501, reason: 'misbehaved' });
    for (const client of outside) {
      client.sendEvent('echo', 1);
      await until(() => client.messages.length === 1);
    }
    for (const who of met) {
      const answer = await app.client(who).open();
      expect({ status: answer.status, type: typeOf(answer) }).toEqual({ status: 403, type: 'banned' });
    }
    for (const who of spared) await app.opened(who);
    expect(app.connections.closedHistory().filter(({ code }) => code === 4501)).toHaveLength(met.length);
  });

  it('end with their time, or when they are lifted', async () => {
    const app = await start(options);
    const bans = app.app.get(BanList);
    bans.ban({ kind: 'user', value: 'ann', forMs: 300 });
    const { id } = bans.ban({ kind: 'ip', value: '203.0.113.1', forMs: 60_000 });
    expect((await app.client(as('203.0.113.9', 'ann')).open()).status).toBe(403);
    await until(async () => (await app.client(as('203.0.113.9', 'ann')).open()).status === 101);
    expect(bans.list().map(ban => ban.id)).toEqual([id]);
    expect((await app.client(as('203.0.113.1')).open()).status).toBe(403);
    expect(bans.lift(id)).toBe(true);
    expect((await app.client(as('203.0.113.1')).open()).status).toBe(101);
    expect(bans.lift(id)).toBe(false);
  });

  it('meet a user who was banned during its authentication', async () => {
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- it is replaced
    let answer: (who: Authentication) => void = () => {};
    let asked = 0;
    const app = await start({
      authenticate: () => {
        asked++;
        return new Promise(resolve => (answer = resolve));
      },
    });
    for (const who of ['anonymous', 'deferred', { userId: 'ann' }] as const) {
      const client = app.client();
      const answered = client.open();
      const before = asked;
      await until(() => asked > before || asked === 1);
      const { id } = app.app.get(BanList).ban({ kind: 'ip', value: '127.0.0.1', forMs: 60_000 });
      answer(who);
      expect({ who, status: (await answered).status }).toEqual({ who, status: 403 });
      app.app.get(BanList).lift(id);
      asked = 0;
    }
  });

  it('meet a banned user who is identified later', async () => {
    const app = await start({ authenticate: () => 'deferred' });
    app.app.get(BanList).ban({ kind: 'user', value: 'ann', forMs: 60_000 });
    const client = await app.opened();
    client.sendEvent('identify');
    await until(() => client.closeFrame !== null || client.messages.length > 0);
    await until(() => client.closeFrame !== null, { timeoutMs: 1500, message: 'a banned user to be sent away' });
    expect(client.closeFrame?.code).toBe(4501);
  });

  it.each([
    [{ kind: 'ip', value: '203.0.113.0/24', forMs: 1 }],
    [{ kind: 'ip', value: 'localhost', forMs: 1 }],
    [{ kind: 'cidr', value: '203.0.113.1', forMs: 1 }],
    [{ kind: 'cidr', value: '203.0.113.0/33', forMs: 1 }],
    [{ kind: 'user', value: '', forMs: 1 }],
    [{ kind: 'user', value: 'ann', forMs: 0 }],
    [{ kind: 'user', value: 'ann', forMs: Number.NaN }],
  ] as const)('that mean nothing are refused: %j', async ban => {
    const app = await start();
    expect(() => app.app.get(BanList).ban(ban)).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_BAN' }));
    expect(app.app.get(BanList).list()).toEqual([]);
  });
});

describe('A client that identifies late', () => {
  const DEFERRED: HeartbeatOptions = { authenticate: () => 'deferred', reaper: { identifyTimeoutMs: 700 } };

  it('stays when it does so in time, and is found by its user', async () => {
    const app = await start(DEFERRED);
    const late = await app.opened();
    const inTime = await app.opened();
    inTime.sendEvent('identify');
    expect(await late.ended).toMatchObject({ code: 4503, reason: 'unauthenticated' });
    inTime.sendEvent('echo', 1);
    await until(() => inTime.messages.length === 2);
    expect(app.connections.findByUser('ann')).toHaveLength(1);
    expect(app.connections.closedHistory().map(({ code, closedBy }) => ({ code, closedBy }))).toEqual([
      { code: 4503, closedBy: 'server' },
    ]);
  });

  it('has the time that it was given', async () => {
    const app = await start(DEFERRED);
    const client = await app.opened();
    const openedAt = performance.now();
    const { at } = await client.ended;
    expect(at - openedAt).toBeGreaterThan(650);
    expect(at - openedAt).toBeLessThan(2500);
  });

  it('replaces the oldest connection of its user', async () => {
    const app = await start({
      ...DEFERRED,
      limits: { maxPerUser: 2, onUserLimit: 'replace-oldest' },
    });
    const clients = [];
    for (let i = 0; i < 5; i++) {
      const client = await app.opened();
      client.sendEvent('identify');
      await until(() => client.messages.length === 1);
      clients.push(client);
      expect(app.connections.findByUser('ann').filter(({ state }) => state !== 'closing').length).toBeLessThanOrEqual(
        2,
      );
    }
    for (const client of clients.slice(0, 3)) expect((await client.ended).code).toBe(4502);
    expect(clients.slice(3).map(({ closeFrame }) => closeFrame)).toEqual([null, null]);
  });

  it('is sent away where its user has all that it may have', async () => {
    const app = await start({ ...DEFERRED, limits: { maxPerUser: 1 } });
    const first = await app.opened();
    first.sendEvent('identify');
    await until(() => first.messages.length === 1);
    const second = await app.opened();
    second.sendEvent('identify');
    expect(await second.ended).toMatchObject({
      code: 1013,
      reason: expect.stringMatching(/^user-limit; retry-after=\d+$/),
    });
    // Saying the same again is no second connection.
    first.sendEvent('identify');
    await until(() => first.messages.length === 2);
    expect(first.closeFrame).toBeNull();
    expect(app.connections.findByUser('ann')).toHaveLength(1);
  });
});

describe('An identity that expires', () => {
  it('ends its connection with 4503 at the next run of the reaper, not before', async () => {
    const app = await start(expiring(200));
    const reaper = app.app.get(ReaperService);
    const events = app.recordEvents();
    const client = await app.opened();
    await reaper.run();
    expect(client.closeFrame).toBeNull();
    const expiresAt = Number([...app.connections.all()][0]?.identity?.expiresAt);
    await until(() => Date.now() > expiresAt + 5);
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    await reaper.run();
    expect(await client.ended).toMatchObject({ code: 4503, reason: 'unauthenticated' });
    expect(events).toContainEqual(expect.objectContaining({ type: 'reaped', reason: 'unauthenticated' }));
  });

  it('is renewed by a new identity', async () => {
    const app = await start(expiring(200));
    const client = await app.opened();
    const [connection] = app.connections.all();
    const expiresAt = Number(connection?.identity?.expiresAt);
    connection?.identify({ userId: 'ann', expiresAt: Date.now() + 60_000 });
    await until(() => Date.now() > expiresAt + 5);
    await app.app.get(ReaperService).run();
    client.sendEvent('echo', 1);
    await until(() => client.messages.length === 1);
    expect(client.closeFrame).toBeNull();
  });
});
