/** `PATCH admin/limits` and `GET admin/config`. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { AdminApp, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';
import type { Answer } from '../support/clients/ask.js';
import { NO_LOAD } from '../support/servers/no-load.js';

afterEach(() => AdminApp.closeAll());

function patch(app: AdminApp, body: unknown, token: string | null = 'do'): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) };
  return app.ask('limits', token, { method: 'PATCH', headers, body: JSON.stringify(body) });
}

type Item = { key: string; [field: string]: unknown };
async function item(app: AdminApp, key: string): Promise<Item | undefined> {
  return ((await app.ask('config', 'see')).json as { items: Item[] }).items.find(each => each.key === key);
}

describe.each(PLATFORMS)('on %s', (_name, platform) => {
  const start = () =>
    AdminApp.start(platform, { admin: { tokens: TOKENS }, limits: { maxPerIp: 50 }, cluster: { nodeName: 'blue' } });

  it('PATCH limits changes this node for a while; GET config, the audit trail and the next upgrade show it', async () => {
    const app = await start();
    await app.open();
    const { status, json } = await patch(app, { maxPerIp: 1, shedAbove: 0.95, forMs: 60_000 });
    const { node } = (await app.ask('config', 'see')).json as { node: string };
    expect([status, json]).toEqual([
      200,
      {
        expiresAt: expect.stringMatching(/Z$/),
        before: expect.objectContaining({ maxPerIp: 50, maxConnections: 10_000 }),
        nodes: [
          {
            id: node,
            status: 'ok',
            limits: { ...json.before, maxPerIp: 1, shedAbove: 0.95 },
            errors: [],
            warnings: [],
          },
        ],
      },
    ]);
    const shown = await item(app, 'limits.maxPerIp');
    expect(shown).toEqual({
      key: 'limits.maxPerIp',
      value: 1,
      default: 0,
      source: 'run-time',
      option: 50,
      overrides: [{ scope: 'node', value: 1, expiresAt: expect.any(String), by: 'ops' }],
    });
    const [{ expiresAt }] = shown!['overrides'] as [{ expiresAt: string }];
    expect(Math.abs(Date.parse(expiresAt) - Date.parse(json.expiresAt))).toBeLessThan(100);
    await expect(app.open()).rejects.toThrow('429');
    expect((await patch(app, { maxPerIp: null, node: 'blue' })).json).toMatchObject({
      expiresAt: null,
      before: { maxPerIp: 1 },
    });
    expect(await item(app, 'limits.maxPerIp')).toMatchObject({ value: 50, source: 'option' });
    await app.open();
    const entries = app.audit.map(line => JSON.parse(line) as Record<string, unknown>);
    expect(entries).toMatchObject([
      {
        who: 'ops',
        what: 'change-limits',
        target: node,
        result: 'done',
        parameters: { maxPerIp: 1, shedAbove: 0.95, forMs: 60_000 },
        before: { maxPerIp: 50 },
        after: { maxPerIp: 1 },
      },
      { what: 'change-limits', parameters: { maxPerIp: null }, before: { maxPerIp: 1 }, after: { maxPerIp: 50 } },
    ]);
  });

  it.each<[string, unknown, string[]]>([
    ['no limit', {}, ['']],
    ['a body that is no object', [], ['']],
    ['no body', undefined, ['']],
    ['an unknown key', { maxPerIp: 1, maxInFlight: 2 }, ['/maxInFlight']],
    [
      'impossible values',
      { maxPerIp: -1, maxConnections: 0, forMs: 0, shedAbove: '1' },
      ['/maxConnections', '/maxPerIp', '/shedAbove', '/forMs'],
    ],
    ['an impossible pair', { refuseAbove: 0.98 }, ['/refuseAbove']],
    ['a removal with an end', { maxPerIp: null, forMs: 5 }, ['/forMs']],
    ['a node that is a number', { maxPerIp: 1, node: 7 }, ['/node']],
  ])('PATCH limits refuses %s with a pointer, and changes nothing', async (_what, body, pointers) => {
    const app = await start();
    const { status, json, headers } = await patch(app, body);
    expect([status, headers['content-type']]).toEqual([400, expect.stringMatching(PROBLEM)]);
    expect(json.type).toMatch(/:bad-body$/);
    expect((json.errors as { pointer: string; detail: string }[]).map(({ pointer }) => pointer)).toEqual(pointers);
    for (const { detail } of json.errors as { detail: string }[]) expect(detail).toMatch(/^(must|is not) /);
    expect(await item(app, 'limits.maxPerIp')).toMatchObject({ value: 50, source: 'option' });
    expect(app.audit.map(line => (JSON.parse(line) as { result: string }).result)).toEqual(['refused: bad-body']);
  });

  it('PATCH limits is for operators, and knows its nodes', async () => {
    const app = await start();
    const body = { maxPerIp: 1 };
    const statuses = [
      await patch(app, body, null),
      await patch(app, body, 'see'),
      await patch(app, { ...body, node: 'red' }),
    ];
    expect(statuses.map(({ status }) => status)).toEqual([401, 403, 404]);
    expect(await item(app, 'limits.maxPerIp')).toMatchObject({ value: 50 });
  });

  it('PATCH limits for all changes this node, where it is alone', async () => {
    const app = await start();
    const { json } = await patch(app, { maxPerUser: 2, node: 'all' });
    expect(json.nodes).toMatchObject([{ status: 'ok', limits: { maxPerUser: 2 } }]);
    expect(await item(app, 'limits.maxPerUser')).toMatchObject({
      value: 2,
      overrides: [{ scope: 'all', by: 'ops', expiresAt: null }],
    });
  });

  it('GET config lists every option with its source, and no secret', async () => {
    const origins = Array.from({ length: 150 }, (_, n) => `https://app${n}.example.com`);
    const app = await AdminApp.start(platform, {
      admin: { tokens: TOKENS },
      load: NO_LOAD,
      origins,
      authenticate: () => 'anonymous',
      trustedProxies: ['10.0.0.0/8'],
    });
    const { status, json, text } = await app.ask('config', 'see');
    const items = json.items as Item[];
    const by = (key: string) => items.find(each => each.key === key);
    expect([status, new Set(items.map(({ key }) => key)).size]).toEqual([200, items.length]);
    expect(items.length).toBeGreaterThan(50);
    expect(text).not.toMatch(/"(see|do)"/);
    expect(by('admin.tokens')).toEqual({
      key: 'admin.tokens',
      value: [
        { name: 'screen', role: 'viewer', token: '***' },
        { name: 'ops', role: 'operator', token: '***' },
      ],
      default: [],
      source: 'option',
    });
    expect(by('authenticate')).toMatchObject({ value: 'function', default: 'anonymous clients', source: 'option' });
    expect(by('cluster.redisUrl')).toMatchObject({ value: null, source: 'default' });
    expect(by('trustedProxies')).toMatchObject({ value: ['10.0.0.0/8'], default: [], source: 'option' });
    expect(by('heartbeat.intervalMs')).toEqual({
      key: 'heartbeat.intervalMs',
      value: 25_000,
      default: 25_000,
      source: 'default',
    });
    const shown = by('origins')?.['value'] as string[];
    expect([shown.length, shown.at(-1)]).toEqual([101, '… 50 more']);
    expect((await app.ask('config?node=red', 'see')).status).toBe(404);
  });
});
