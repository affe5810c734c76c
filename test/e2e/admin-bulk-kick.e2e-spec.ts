import { afterEach, describe, expect, it } from '@jest/globals';

import { KickService } from 'nestjs-heartbeat';
import { AdminApp, PLATFORMS } from '../support/servers/admin-app.js';
import { until } from '../support/assert/until.js';

afterEach(() => AdminApp.closeAll());

interface Entry {
  readonly who: string;
  readonly what: string;
  readonly target: string;
  readonly result: string;
}

const entries = ({ audit }: AdminApp) => audit.map(line => JSON.parse(line) as Entry);
const post = (admin: AdminApp, body: object, token = 'do') =>
  admin.ask('kicks', token, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const job = (admin: AdminApp, id: string, method = 'GET', token = 'do') => admin.ask(`kicks/${id}`, token, { method });
const ended = (admin: AdminApp, id: string) => until(async () => (await job(admin, id)).json.endedAt !== null);

describe.each(PLATFORMS)('POST /admin/kicks on %s', (_, platform) => {
  it('shows what would be kicked, then kicks just these', async () => {
    const admin = await AdminApp.start(platform);
    const red = [await admin.open('/ws?user=a&team=red'), await admin.open('/ws?user=b&team=red')];
    await admin.open('/ws?user=c&team=blue');
    const plan = await post(admin, { filter: { labels: { team: 'red' } }, dryRun: true });
    expect(plan).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(plan.json).toMatchObject({ matched: 2, silent: [], byNode: [{ matched: 2 }], sample: { length: 2 } });
    expect(plan.json.share).toBeCloseTo(2 / 3);
    expect(Date.parse(plan.json.expiresAt) - Date.now()).toBeGreaterThan(290_000);
    expect([(await admin.list('state=open')).total, admin.audit]).toEqual([3, []]);
    await admin.open('/ws?user=d&team=red');
    const start = await post(admin, { token: plan.json.token, reason: 'enough' });
    expect(start).toMatchObject({ status: 202, json: { job: expect.any(String) } });
    const ends = await Promise.all(red.map(client => client.ended));
    expect(ends).toMatchObject([1, 2].map(() => ({ code: 4500, reason: 'enough' })));
    await ended(admin, start.json.job);
    const { json } = await job(admin, start.json.job, 'GET', 'see');
    expect(json).toMatchObject({ state: 'done', matched: 2, closed: 2, gone: 0, failed: 0, lost: 0, perSecond: 1000 });
    expect(json.nodes).toMatchObject([{ state: 'done', matched: 2, closed: 2 }]);
    const left = (await admin.list('state=open')).items.map(({ userId }) => userId);
    expect(new Set(left)).toEqual(new Set(['c', 'd']));
    expect(entries(admin)).toMatchObject([
      { who: 'ops', what: 'bulk-kick', target: start.json.job, from: '127.0.0.1', result: 'done' },
      { who: 'ops', what: 'bulk-kick-end', target: start.json.job, from: '127.0.0.1', after: { closed: 2 } },
    ]);
  });

  it('takes a token once, and answers 409 and 404 to others', async () => {
    const admin = await AdminApp.start(platform);
    await admin.open('/ws?user=a');
    const { token } = (await post(admin, { filter: { user: 'a' }, dryRun: true })).json;
    const { json } = await post(admin, { token });
    const again = await post(admin, { token });
    expect(again).toMatchObject({ status: 409, json: { type: expect.stringMatching(/:already-started$/) } });
    expect(again.json.detail).toContain(json.job);
    expect((await post(admin, { token: 'x' })).status).toBe(404);
    expect((await job(admin, 'x')).status).toBe(404);
    expect((await job(admin, '0'.repeat(24), 'DELETE')).status).toBe(404);
    await ended(admin, json.job);
    const results = entries(admin).map(({ what, result }) => `${what} ${result}`);
    expect(results.toSorted()).toEqual([
      'bulk-kick done',
      'bulk-kick not-found',
      'bulk-kick refused: already-started',
      'bulk-kick-end done',
      'stop-bulk-kick not-found',
    ]);
  });

  it('is stopped by DELETE', async () => {
    const admin = await AdminApp.start(platform);
    const clients = [await admin.open('/ws?user=a'), await admin.open('/ws?user=a'), await admin.open('/ws?user=a')];
    const { token } = (await post(admin, { filter: { user: 'a' }, dryRun: true, perSecond: 1 })).json;
    const { json } = await post(admin, { token, reconnect: true });
    expect(await clients[0]!.ended).toMatchObject({
      code: 4005,
      reason: expect.stringMatching(/^reconnect; retry-after=\d+$/),
    });
    expect(await job(admin, json.job, 'DELETE')).toMatchObject({ status: 200, json: { state: 'stopped' } });
    await ended(admin, json.job);
    expect((await job(admin, json.job)).json).toMatchObject({ state: 'stopped', matched: 3, closed: 1, gone: 0 });
    expect((await admin.list('state=open')).total).toBe(2);
  });

  it('bans the users of the kicked, or their addresses', async () => {
    const admin = await AdminApp.start(platform);
    const client = await admin.open('/ws?user=a');
    const { token } = (await post(admin, { filter: { user: 'a' }, dryRun: true })).json;
    const { json } = await post(admin, { token, banForMs: 60_000 });
    expect((await client.ended).code).toBe(4500);
    await ended(admin, json.job);
    expect((await admin.ask('bans')).json.items).toMatchObject([{ kind: 'user', value: 'a' }]);
    expect((await job(admin, json.job)).json.bans).toBe(1);
  });

  it('is for operators, and its progress for viewers', async () => {
    const admin = await AdminApp.start(platform);
    await admin.open('/ws?user=a');
    expect((await post(admin, { filter: { user: 'a' }, dryRun: true }, 'see')).status).toBe(403);
    expect((await job(admin, '0'.repeat(24), 'DELETE', 'see')).status).toBe(403);
    expect((await job(admin, '0'.repeat(24), 'GET', 'see')).status).toBe(404);
    expect((await admin.list('state=open')).total).toBe(1);
    const attempts = entries(admin).map(({ who, what, result }) => `${who} ${what} ${result}`);
    expect(attempts).toEqual(['screen bulk-kick forbidden', 'screen stop-bulk-kick forbidden']);
  });

  it.each<[object, string]>([
    [{}, ''],
    [{ filter: {}, dryRun: true }, '/filter'],
    [{ filter: { user: '' }, dryRun: true }, '/filter/user'],
    [{ filter: { all: 'x' }, dryRun: true }, '/filter/all'],
    [{ filter: { labels: {} }, dryRun: true }, '/filter/labels'],
    [{ filter: { user: 'a' } }, '/dryRun'],
    [{ filter: { user: 'a' }, ids: ['x'], dryRun: true }, '/ids'],
    [{ token: 'x', perSecond: 0 }, '/perSecond'],
  ])('answers 400 to %j, and kicks no connection', async (body, pointer) => {
    const admin = await AdminApp.start(platform);
    await admin.open('/ws?user=a');
    expect(await post(admin, body)).toMatchObject({ status: 400, json: { errors: [{ pointer }] } });
    expect((await admin.list('state=open')).total).toBe(1);
    expect(entries(admin)).toMatchObject([{ what: 'bulk-kick', result: 'refused: bad-body' }]);
  });

  it('is there for the application, as its own change', async () => {
    const admin = await AdminApp.start(platform);
    const client = await admin.open('/ws?user=a');
    const kicks = admin.app.get(KickService);
    const { matched, token } = await kicks.plan({ filter: { user: 'a' } });
    const start = await kicks.start(token, { reason: 'app' });
    expect([matched, start.outcome, (await client.ended).reason]).toEqual([1, 'started', 'app']);
    await until(() => admin.audit.length === 2);
    expect(entries(admin).map(({ who, what }) => `${who} ${what}`)).toEqual([
      'application bulk-kick',
      'application bulk-kick-end',
    ]);
  });
});

describe.each(PLATFORMS)('DELETE /admin/connections/:id?banForMs= on %s', (_, platform) => {
  it('bans the user: the kicked gets 4500, others of the user 4501, and no further client of it is admitted', async () => {
    const admin = await AdminApp.start(platform);
    const [first, second] = [await admin.open('/ws?user=a'), await admin.open('/ws?user=a')];
    await admin.open('/ws?user=b');
    expect((await admin.kick(await admin.firstId(), 'banForMs=60000&reason=abuse')).status).toBe(200);
    expect([await first.ended, await second.ended]).toMatchObject([
      { code: 4500, reason: 'abuse' },
      { code: 4501, reason: 'abuse' },
    ]);
    expect((await (await admin.open('/ws?user=a')).ended).code).toBe(4501);
    expect((await admin.list('state=open')).items.map(({ userId }) => userId)).toEqual(['b']);
    expect((await admin.ask('bans')).json.items).toMatchObject([{ kind: 'user', value: 'a', reason: 'abuse' }]);
    expect(entries(admin)).toMatchObject([{ what: 'kick', result: 'done', parameters: { banForMs: 60_000 } }]);
  });

  it('bans the address of an anonymous client', async () => {
    const admin = await AdminApp.start(platform);
    const client = await admin.open('/ws');
    await admin.kick(await admin.firstId(), 'banForMs=60000');
    expect((await client.ended).code).toBe(4500);
    expect((await admin.ask('bans')).json.items).toMatchObject([{ kind: 'ip', value: '127.0.0.1', reason: 'banned' }]);
  });

  it.each(['banForMs=0', 'banForMs=', 'banForMs=x', 'banForMs=1&reconnect=true'])('answers 400 to ?%s', async query => {
    const admin = await AdminApp.start(platform);
    await admin.open();
    const answer = await admin.kick(await admin.firstId(), query);
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ pointer: '/banForMs' }] } });
    expect((await admin.list('state=open')).total).toBe(1);
  });
});
