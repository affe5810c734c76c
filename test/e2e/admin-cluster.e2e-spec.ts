/** The admin routes about what nodes share, on a cluster of one: the same ways as for many. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { AdminApp, PLATFORMS, PROBLEM } from '../support/admin-app.js';
import type { Answer } from '../support/ask.js';
import { until } from '../support/until.js';

afterEach(() => AdminApp.closeAll());

function post(app: AdminApp, body: unknown, token: string | null = 'do'): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) };
  return app.ask('bans', token, { method: 'POST', headers, body: JSON.stringify(body) });
}

describe.each(PLATFORMS)('on %s', (_name, platform) => {
  it('GET nodes tells of this one', async () => {
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

  it('POST bans sends away whom it meets, and is listed, until DELETE lifts it', async () => {
    const app = await AdminApp.start(platform);
    const client = await app.open('/ws?user=u');
    const { status, json } = await post(app, { kind: 'user', value: 'u', forMs: 60_000, reason: 'spam' });
    expect([status, json]).toEqual([
      201,
      { id: expect.any(String), kind: 'user', value: 'u', reason: 'spam', expiresAt: expect.stringMatching(/Z$/) },
    ]);
    expect(await client.ended).toMatchObject({ code: 4501, reason: 'spam' });
    expect((await app.ask('bans', 'see')).json).toEqual({ items: [json] });
    const lift = () => app.ask(`bans/${json.id}`, 'do', { method: 'DELETE' });
    expect(await lift()).toMatchObject({ status: 200, json: { id: json.id, lifted: true } });
    expect(await lift()).toMatchObject({ status: 404 });
    expect((await app.ask('bans')).json).toEqual({ items: [] });
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
  ])('POST bans with %s is 400 and bans nobody', async (_what, body, pointers) => {
    const app = await AdminApp.start(platform);
    const { status, headers, json } = await post(app, body);
    expect([status, headers['content-type']]).toEqual([400, expect.stringMatching(PROBLEM)]);
    expect(json.type).toMatch(/bad-body$/);
    expect(json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers);
    expect((await app.ask('bans')).json).toEqual({ items: [] });
  });

  it('is for operators to change, and for viewers to read', async () => {
    const app = await AdminApp.start(platform);
    const ban = { kind: 'user', value: 'u', forMs: 1000 };
    expect((await post(app, ban, 'see')).status).toBe(403);
    expect((await post(app, ban, null)).status).toBe(401);
    expect((await app.ask('bans/x', 'see', { method: 'DELETE' })).status).toBe(403);
    expect((await app.ask('nodes', null)).status).toBe(401);
    expect((await app.ask('bans')).json).toEqual({ items: [] });
  });
});
