import { afterEach, describe, expect, it } from '@jest/globals';

import type { ClosedView } from 'nestjs-heartbeat';
import { AdminApp, PLATFORMS, TOKENS } from '../support/servers/admin-app.js';
import { until } from '../support/assert/until.js';

afterEach(() => AdminApp.closeAll());

describe.each(PLATFORMS)('DELETE /admin/connections/:id on %s', (_, platform) => {
  it('kicks with 4500 and the reason, and writes it down', async () => {
    const admin = await AdminApp.start(platform);
    const client = await admin.open();
    const id = await admin.firstId();
    const reason = 'out\n"now"';
    const { status, json } = await admin.kick(id, `reason=${encodeURIComponent(reason)}`);
    expect(status).toBe(200);
    expect(json).toEqual({ id, node: id.slice(0, id.lastIndexOf('.')), closing: true });
    expect(await client.ended).toMatchObject({ code: 4500, reason });
    const [line = '', ...more] = admin.audit;
    expect(more).toEqual([]);
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({
      who: 'ops',
      what: 'kick',
      target: id,
      from: '127.0.0.1',
      result: 'done',
      parameters: { reason, reconnect: false },
      role: 'operator',
      id: expect.any(String),
    });
  });

  it('asks the client to reconnect with 4005 and a delay', async () => {
    const admin = await AdminApp.start(platform);
    const client = await admin.open();
    expect((await admin.kick(await admin.firstId(), 'reconnect=true')).status).toBe(200);
    const { code, reason } = await client.ended;
    expect(code).toBe(4005);
    expect(reason).toMatch(/^reconnect; retry-after=\d+$/);
  });

  it('is answered alike when the close has begun already, and 404 when it is over', async () => {
    const admin = await AdminApp.start(platform, { admin: { tokens: TOKENS }, drain: { closeTimeoutMs: 300 } });
    const client = await admin.open();
    client.silent();
    const id = await admin.firstId();
    expect(await admin.kick(id)).toMatchObject({ status: 200, json: { id, closing: true } });
    expect((await admin.list('state=closing')).total).toBe(1);
    expect(await admin.kick(id)).toMatchObject({ status: 200, json: { id, closing: true } });
    await until(async () => (await admin.list()).total === 0);
    expect((await admin.kick(id)).status).toBe(404);
    const results = admin.audit.map(line => (JSON.parse(line) as { result: string }).result);
    expect(results).toEqual(['done', 'already-closing', 'not-found']);
  });

  it.each([
    ['reason', 'reason='],
    ['reconnect', 'reconnect=yes'],
    ['reconnect', 'reconnect='],
    ['reason', 'reason=a&reason=b'],
    ['why', 'why=x'],
    ['reason', `reason=${'a'.repeat(124)}`],
  ])('answers 400 about %s to ?%s, and kicks no connection', async (name, query) => {
    const admin = await AdminApp.start(platform);
    await admin.open();
    const answer = await admin.kick(await admin.firstId(), query);
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ pointer: `/${name}` }] } });
    expect((await admin.list('state=open')).total).toBe(1);
    const entries = admin.audit.map(line => JSON.parse(line) as { what: string; result: string });
    expect(entries).toEqual([expect.objectContaining({ what: 'kick', result: 'refused: bad-query' })]);
  });
});

describe.each(PLATFORMS)('GET /admin/closed on %s', (_, platform) => {
  it('lists how each connection ended, newest first, in pages', async () => {
    const admin = await AdminApp.start(platform);
    const kicked = await admin.open();
    const id = await admin.firstId();
    await admin.kick(id, 'reason=enough');
    await kicked.ended;
    for (let more = 0; more < 2; more++) {
      const client = await admin.open();
      client.close(1000);
      await client.ended;
    }
    await until(async () => (await admin.ask('closed')).json.items.length === 3);
    const { json: first } = await admin.ask('closed?limit=2');
    expect(first.items).toMatchObject([
      { code: 1000, closedBy: 'client' },
      { code: 1000, closedBy: 'client' },
    ]);
    expect((await admin.ask('closed?limit=3')).json).toMatchObject({ items: { length: 3 }, nextCursor: null });
    const { json: second } = await admin.ask(`closed?limit=2&cursor=${first.nextCursor}`);
    const end = { id, code: 4500, reason: 'enough', closedBy: 'operator' };
    expect(second).toMatchObject({ items: [end], nextCursor: null });
  });

  it('filters by code, side, user, address and time, and binds a cursor to its filters', async () => {
    const admin = await AdminApp.start(platform);
    const since = new Date().toISOString();
    for (const user of ['ada', 'bob', 'ada', 'ada']) (await admin.open(`/ws?user=${user}`)).close(1000);
    await until(async () => ((await admin.ask('closed')).json as { items: ClosedView[] }).items.length === 4);
    const page = async (query: string) =>
      (await admin.ask(`closed?${query}`)).json as { items: ClosedView[]; nextCursor: string | null };
    const all = `user=ada&code=1000&by=client&ip=127.0.0.0/8&since=${since}`;
    const first = await page(`${all}&limit=2`);
    const second = await page(`${all}&limit=2&cursor=${first.nextCursor}`);
    const users = [...first.items, ...second.items].map(({ userId }) => userId);
    expect([users, second.nextCursor]).toEqual([['ada', 'ada', 'ada'], null]);
    for (const other of ['user=eve', 'code=4000', 'by=server', 'ip=10.0.0.0/8', 'since=2100-01-01T00:00:00%2B01:00'])
      expect(await page(other)).toEqual({ items: [], nextCursor: null });
    expect(await admin.ask(`closed?user=ada&limit=2&cursor=${first.nextCursor}`)).toMatchObject({
      status: 400,
      json: { errors: [{ pointer: '/cursor' }] },
    });
  });

  it('shows one by its id, with its flight record, when it has ended', async () => {
    const admin = await AdminApp.start(platform);
    const client = await admin.open();
    const id = await admin.firstId();
    expect((await admin.ask(`closed/${id}`)).status).toBe(404);
    await admin.kick(id);
    await client.ended;
    await until(async () => (await admin.ask(`closed/${id}`)).status === 200);
    const { json, headers } = await admin.ask(`closed/${id}`);
    expect(headers['cache-control']).toBe('no-store');
    const { flight, ...closed } = json as ClosedView;
    // A busy machine may stall the server.
    const events = flight.filter(({ kind }) => kind !== 'stall').map(({ what }) => what);
    expect(events).toEqual(['opened', 'kicked by ops', 'closed with 4500 "kicked" by an operator']);
    const verdict = `An operator (ops) kicked it with 4500 and the reason "kicked" at ${closed.closedAt}.`;
    expect(closed).toMatchObject({ id, code: 4500, verdict });
    expect((await admin.ask(`connections/${id}`)).status).toBe(404);
  });

  it.each([
    ['limit=0', '/limit'],
    ['cursor=x', '/cursor'],
    ['closedBy=server', '/closedBy'],
    ['code=kicked', '/code'],
    ['by=admin', '/by'],
    ['user=', '/user'],
    ['ip=10.0.0.0/40', '/ip'],
    ['since=14:03', '/since'],
  ])('answers 400 to ?%s', async (query, pointer) => {
    const admin = await AdminApp.start(platform);
    expect(await admin.ask(`closed?${query}`)).toMatchObject({ status: 400, json: { errors: [{ pointer }] } });
  });
});
