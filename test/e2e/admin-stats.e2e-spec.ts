/** The admin routes for charts: series of the last minutes, and the largest consumers. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Leaders, StatsService } from 'nestjs-heartbeat';
import { AdminApp, PLATFORMS, PROBLEM } from '../support/servers/admin-app.js';
import type { Answer } from '../support/clients/ask.js';
import { until } from '../support/assert/until.js';

afterEach(() => AdminApp.closeAll());

interface Stats {
  readonly from: string;
  readonly stepMs: number;
  readonly series: Record<string, (number | null)[]>;
  readonly totals: Record<string, number>;
  readonly nodes: { readonly status: string }[];
}

const stats = async (app: AdminApp, query = ''): Promise<Stats> => (await app.ask(`stats?${query}`, 'see')).json;
const sum = (row: (number | null)[] = []) => row.reduce<number>((all, value) => all + (value ?? 0), 0);

describe.each(PLATFORMS)('on %s', (_name, platform) => {
  it('GET stats has the openings, closes and bytes of the last seconds, and the totals', async () => {
    const app = await AdminApp.start(platform);
    await app.open();
    await app.open();
    await app.kick(await app.firstId());
    let last = await stats(app, 'sinceMs=30000');
    await until(
      async () => {
        last = await stats(app, 'sinceMs=30000');
        return sum(last.series['closed.code.4500']) === 1 && sum(last.series['bytesOut']) > 0;
      },
      { message: () => JSON.stringify(last) },
    );
    const { from, stepMs, series, totals, nodes } = last;
    expect([stepMs, series['opened']?.length, sum(series['opened']), sum(series['closed.by.operator'])]).toEqual([
      1000, 30, 2, 1,
    ]);
    expect(series['connections']?.at(-1)).toBe(1);
    expect(totals).toMatchObject({ connections: 1, opened: 2, closed: 1, refused: 0 });
    expect(nodes).toMatchObject([{ status: 'ok', connections: 1, ageMs: 0 }]);
    // The last period has just ended.
    const ageMs = Date.now() - Date.parse(from) - 30_000;
    expect(ageMs).toBeGreaterThan(-1000);
    expect(ageMs).toBeLessThan(5000);
    expect(new Set(Object.values(series).map(row => row.length))).toEqual(new Set([30]));
    const all = await stats(app);
    expect([all.stepMs, all.series['load']?.length]).toEqual([5000, 180]);
  });

  it('GET stats of one node, by its name; an unknown one is 404', async () => {
    const app = await AdminApp.start(platform, { admin: ADMIN, cluster: { nodeName: 'blue' } });
    await until(async () => (await stats(app, 'node=blue&sinceMs=5000')).series['connections']?.at(-1) === 0);
    expect((await app.ask('stats?node=red')).status).toBe(404);
  });

  it.each([
    ['stats?sinceMs=0', '/sinceMs'],
    ['stats?sinceMs=900001', '/sinceMs'],
    ['stats?stepMs=1000', '/stepMs'],
    ['stats?sinceMs=5000&stepMs=2000', '/stepMs'],
    ['stats?sinceMs=5000&stepMs=2000&from=1', '/from'],
    ['leaders', '/by'],
    ['leaders?by=age', '/by'],
    ['leaders?by=bytesIn&group=path', '/group'],
    ['leaders?by=refusals&group=connection', '/group'],
    ['leaders?by=reconnects&group=connection', '/group'],
  ])('GET %s is 400 with a pointer to %s', async (path, pointer) => {
    const app = await AdminApp.start(platform);
    const { status, headers, json }: Answer = await app.ask(path);
    expect([status, headers['content-type']]).toEqual([400, expect.stringMatching(PROBLEM)]);
    expect(json.errors).toContainEqual({ pointer, detail: expect.any(String) });
  });

  it('GET leaders has connections, users and addresses, and those that are refused', async () => {
    const app = await AdminApp.start(platform, { admin: ADMIN, limits: { maxPerIp: 3 } });
    await app.open('/ws?user=ada', { localAddress: '127.0.0.2' });
    await app.open('/ws?user=ada', { localAddress: '127.0.0.3' });
    for (let turn = 0; turn < 3; turn++) await app.open('/ws', { localAddress: '127.0.0.4' });
    await app.open('/ws', { localAddress: '127.0.0.4' }).catch(() => undefined);
    const leaders = async (query: string): Promise<Leaders> => (await app.ask(`leaders?${query}`, 'see')).json;
    const byConnection = await leaders('by=bytesOut');
    expect(byConnection).toMatchObject({ by: 'bytesOut', group: 'connection', nodes: [{ status: 'ok' }] });
    expect(byConnection.items.every(({ key, ip, value }) => /\.0000000\d$/.test(key) && ip !== null && value > 0)).toBe(
      true,
    );
    expect((await leaders('by=refusals')).items).toEqual([
      { key: '127.0.0.4', value: 1, connections: 3, userId: null, ip: null },
    ]);
    await app.kick(await app.firstId());
    await until(async () => (await leaders('by=reconnects&group=user')).items[0]?.key === 'ada');
    expect((await leaders('by=reconnects')).items).toMatchObject([{ key: '127.0.0.2', value: 1, connections: 0 }]);
  });
});

const ADMIN = {
  tokens: [
    { token: 'see', role: 'viewer', name: 'screen' },
    { token: 'do', role: 'operator', name: 'ops' },
  ],
} as const;

describe('a refusal', () => {
  it('is counted for its user where that is known', async () => {
    const [, platform] = PLATFORMS[0]!;
    const app = await AdminApp.start(platform, {
      admin: ADMIN,
      limits: { maxPerUser: 1 },
      authenticate: () => ({ userId: 'greedy' }),
    });
    await app.open();
    await app.open().catch(() => undefined);
    const { items } = await app.app.get(StatsService).leaders({ by: 'refusals', group: 'user' });
    expect(items).toMatchObject([{ key: 'greedy', value: 1, connections: 1 }]);
  });
});
