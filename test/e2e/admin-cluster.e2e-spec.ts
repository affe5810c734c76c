/** The admin routes about what nodes share, on a cluster of one: the same ways as for many. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { AdminApp, PLATFORMS, PROBLEM } from '../support/servers/admin-app.js';
import type { Answer } from '../support/clients/ask.js';
import { until } from '../support/assert/until.js';

afterEach(() => AdminApp.closeAll());

const NO_BANS = { items: [], nextCursor: null, total: 0 };

function post(app: AdminApp, body: unknown, token: string | null = 'do'): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) };
  return app.ask('bans', token, { method: 'POST', headers, body: JSON.stringify(body) });
}

describe.each(PLATFORMS)('on %s', (_name, platform) => {
  it('GET nodes lists this one', async () => {
    const app = await AdminApp.start(platform);
    await app.open();
    const { status, json } = await app.ask('nodes', 'see');
    expect([status, json]).toEqual([
      200,
      {
        items: [
          {
            id: expect.stringMatching(/-[0-9a-f]{8}$/),
            name: expect.any(String),
            address: `127.0.0.1:${app.port}`,
            version: expect.stringMatching(/^\d+\.\d+\.\d+/),
            state: 'up',
            connections: 1,
            load: expect.any(Number),
            intervalMs: 25_000,
            ageMs: 0,
          },
        ],
      },
    ]);
  });

  it('POST bans closes matching connections, and is listed, until DELETE lifts it', async () => {
    const app = await AdminApp.start(platform);
    const client = await app.open('/ws?user=u');
    const { status, json } = await post(app, { kind: 'user', value: 'u', forMs: 60_000, reason: 'spam' });
    expect([status, json]).toEqual([
      201,
      {
        id: expect.any(String),
        kind: 'user',
        value: 'u',
        reason: 'spam',
        expiresAt: expect.stringMatching(/Z$/),
        closed: 1,
      },
    ]);
    const { closed: _closed, ...ban } = json;
    expect(await client.ended).toMatchObject({ code: 4501, reason: 'spam' });
    expect((await app.ask('bans', 'see')).json).toEqual({ items: [ban], nextCursor: null, total: 1 });
    const lift = () => app.ask(`bans/${json.id}`, 'do', { method: 'DELETE' });
    expect(await lift()).toMatchObject({ status: 200, json: { id: json.id, lifted: true } });
    expect(await lift()).toMatchObject({ status: 404 });
    expect((await app.ask('bans')).json).toEqual(NO_BANS);
    await until(() => app.audit.length === 3);
    expect(app.audit.map(line => JSON.parse(line) as object)).toMatchObject([
      { who: 'ops', what: 'ban', target: json.id, result: 'done', parameters: { kind: 'user', value: 'u' } },
      { what: 'lift-ban', target: json.id, result: 'done' },
      { what: 'lift-ban', target: json.id, result: 'not-found' },
    ]);
  });

  it.each<[string, unknown, string[]]>([
    ['nothing', {}, ['/kind', '/value', '/forMs']],
    ['an unknown kind', { kind: 'all', value: 'x', forMs: 1 }, ['/kind']],
    ['no time', { kind: 'user', value: 'x', forMs: 0 }, ['/forMs']],
    ['an address that is none', { kind: 'ip', value: 'x', forMs: 1 }, ['/value']],
    ['an unknown key', { kind: 'user', value: 'x', forMs: 1, all: true }, ['/all']],
    ['a list', [], ['']],
    [
      'words that no close frame can carry',
      { kind: 'user', value: 'x', forMs: 1, reason: 'é'.repeat(62) },
      ['/reason'],
    ],
  ])('POST bans with %s is 400 and bans no client', async (_what, body, pointers) => {
    const app = await AdminApp.start(platform);
    const { status, headers, json } = await post(app, body);
    expect([status, headers['content-type']]).toEqual([400, expect.stringMatching(PROBLEM)]);
    expect(json.type).toMatch(/bad-body$/);
    expect(json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers);
    expect((await app.ask('bans')).json).toEqual(NO_BANS);
  });

  it.each<[string, object, boolean]>([
    ['0.0.0.0/0', { kind: 'cidr', value: '0.0.0.0/0' }, true],
    ['an IPv4 prefix of 7', { kind: 'cidr', value: '12.0.0.0/7' }, true],
    ['an IPv4 prefix of 8', { kind: 'cidr', value: '12.0.0.0/8' }, false],
    ['all of IPv4 as mapped addresses', { kind: 'cidr', value: '::ffff:0:0/96' }, true],
    ['a mapped prefix of 8', { kind: 'cidr', value: '::ffff:12.0.0.0/104' }, false],
    ['::/0', { kind: 'cidr', value: '::/0' }, true],
    ['an IPv6 prefix of 15', { kind: 'cidr', value: '2000::/15' }, true],
    ['an IPv6 prefix of 16', { kind: 'cidr', value: '2000::/16' }, false],
    ['more than a tenth by address', { kind: 'ip', value: '127.0.0.2' }, true],
    ['more than a tenth by an address in another spelling', { kind: 'ip', value: '::ffff:7f00:2' }, true],
    ['more than a tenth by network', { kind: 'cidr', value: '127.0.0.0/24' }, true],
    ['more than a tenth by user', { kind: 'user', value: 'many' }, true],
    ['a tenth', { kind: 'user', value: 'tenth' }, false],
  ])('POST bans needs force: %s', async (_what, ban, needsForce) => {
    const app = await AdminApp.start(platform);
    const [many, tenth] = ['/ws?user=many', '/ws?user=tenth'];
    for (let n = 0; n < 100; n++) await app.open(n < 89 ? many : '/ws', { localAddress: '127.0.0.2' });
    for (let n = 0; n < 11; n++) await app.open(tenth, { localAddress: '127.0.1.1' });
    const { status, json } = await post(app, { ...ban, forMs: 60_000 });
    const type = String(json.type ?? '').replace(/^.*:/, '');
    expect([status, type]).toEqual(needsForce ? [400, 'ban-too-wide'] : [201, '']);
    if (!needsForce) return;
    expect(json.detail).toMatch(/"force": true/);
    expect((await app.ask('bans')).json).toEqual(NO_BANS);
    expect((await app.list()).total).toBe(111);
    expect((await post(app, { ...ban, forMs: 60_000, force: 'yes' })).status).toBe(400);
    const forced = await post(app, { ...ban, forMs: 60_000, force: true });
    expect(forced.status).toBe(201);
    await until(async () => (await app.list()).total === 111 - forced.json.closed);
  });

  it('POST bans twice is one ban with the later end, and GET bans shows it by kind and value', async () => {
    const app = await AdminApp.start(platform);
    const first = await post(app, { kind: 'cidr', value: '192.0.2.77/24', forMs: 60_000 });
    const second = await post(app, { kind: 'cidr', value: '::ffff:192.0.2.0/120', forMs: 600_000, reason: 'again' });
    expect(second.json).toMatchObject({ id: first.json.id, value: '192.0.2.0/24', reason: 'again', closed: 0 });
    expect(Date.parse(second.json.expiresAt) - Date.parse(first.json.expiresAt)).toBeGreaterThan(500_000);
    for (let n = 0; n < 5; n++) await post(app, { kind: 'user', value: `u${n}`, forMs: 60_000 });
    const page = async (query: string) => (await app.ask(`bans?${query}`, 'see')).json;
    expect(await page('kind=cidr')).toMatchObject({ items: [{ value: '192.0.2.0/24' }], total: 1, nextCursor: null });
    expect(await page('value=192.0.2.9%2F24')).toMatchObject({ items: [{ id: first.json.id }], total: 1 });
    const { items, nextCursor, total } = await page('limit=4&kind=user');
    expect([items.length, total]).toEqual([4, 5]);
    const rest = await page(`limit=4&kind=user&cursor=${nextCursor}`);
    expect([...items, ...rest.items].map(({ value }: { value: string }) => value)).toEqual([
      'u0',
      'u1',
      'u2',
      'u3',
      'u4',
    ]);
    expect(rest.nextCursor).toBeNull();
    for (const bad of [`cursor=${nextCursor}`, 'limit=0', 'limit=501', 'kind=all', 'value=', 'ip=1.2.3.4']) {
      expect((await app.ask(`bans?${bad}`)).status).toBe(400);
    }
  });

  it('is for operators to change, and for viewers to read', async () => {
    const app = await AdminApp.start(platform);
    const ban = { kind: 'user', value: 'u', forMs: 1000 };
    expect((await post(app, ban, 'see')).status).toBe(403);
    expect((await post(app, ban, null)).status).toBe(401);
    expect((await app.ask('bans/x', 'see', { method: 'DELETE' })).status).toBe(403);
    expect((await app.ask('nodes', null)).status).toBe(401);
    expect((await app.ask('bans')).json).toEqual(NO_BANS);
  });
});
