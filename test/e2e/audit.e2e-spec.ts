/** The audit trail without Redis: its entries, pages and filters, and the application's own calls. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BanList, ClusterService, ConnectionService } from 'nestjs-heartbeat';
import { AdminApp, PLATFORMS } from '../support/servers/admin-app.js';

/** An entry in a response. */
interface Entry {
  readonly id: string;
  readonly at: string;
  readonly node: string;
  readonly who: string;
  readonly what: string;
  readonly target: string;
  readonly result: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

describe.each(PLATFORMS)('GET /admin/audit on %s', (_, platform) => {
  let admin: AdminApp;
  beforeEach(async () => {
    admin = await AdminApp.start(platform);
  });
  afterEach(() => AdminApp.closeAll());

  async function trail(query = ''): Promise<Entry[]> {
    const { status, json } = await admin.ask(`audit?${query}`, 'see');
    expect([status, json]).toEqual([200, { items: expect.any(Array), nextCursor: null }]);
    return (json as { items: Entry[] }).items;
  }

  const ban = (value: string, more: object = {}) =>
    admin.ask('bans', 'do', {
      method: 'POST',
      headers: { authorization: 'Bearer do', 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'user', value, forMs: 60_000, ...more }),
    });

  it('has one entry for each change, with actor, address, time, node and result', async () => {
    await admin.open();
    const id = await admin.firstId();
    const node = id.slice(0, id.lastIndexOf('.'));
    await admin.kick(id, 'reason=out');
    const { json: made } = await ban('u');
    await admin.ask(`bans/${made.id}`, 'do', { method: 'DELETE' });
    await admin.ask(`bans/${made.id}`, 'do', { method: 'DELETE' });
    const common = { id: expect.stringMatching(`^${node}\\.`), at: expect.any(String), node };
    const actor = { who: 'ops', role: 'operator', from: '127.0.0.1' };
    const parameters = { kind: 'user', value: 'u', forMs: 60_000 };
    const entries = await trail();
    expect(entries).toEqual([
      { ...common, ...actor, what: 'lift-ban', target: made.id, result: 'not-found' },
      { ...common, ...actor, what: 'lift-ban', target: made.id, result: 'done' },
      { ...common, ...actor, what: 'ban', target: made.id, result: 'done', parameters, after: { closed: 0 } },
      {
        ...common,
        ...actor,
        what: 'kick',
        target: id,
        result: 'done',
        parameters: { reason: 'out', reconnect: false },
      },
    ]);
    expect(entries.map(({ at }) => Math.abs(Date.now() - Date.parse(at)) < 60_000)).not.toContain(false);
    const logged = admin.audit.map(line => (JSON.parse(line) as Entry).id);
    expect(logged.toReversed()).toEqual(entries.map(entry => entry.id));
  });

  it('has an entry for a change that was refused, and none for a read', async () => {
    await ban('u', { forMs: 'long' });
    await ban('0.0.0.0/0', { kind: 'cidr' });
    await admin.ask('bans', 'see', { method: 'POST' });
    await admin.ask('bans?unknown=1');
    await admin.ask('connections/none.1', 'do');
    const entries = await trail();
    expect(entries.map(({ who, what, result }) => [who, what, result])).toEqual([
      ['screen', 'ban', 'forbidden'],
      ['ops', 'ban', 'refused: ban-too-wide'],
      ['ops', 'ban', 'refused: bad-body'],
    ]);
    expect((await trail('result=refused')).map(({ result }) => result)).toHaveLength(2);
  });

  it('has the calls of the application itself, each once', async () => {
    const bans = admin.app.get(BanList);
    const connections = admin.app.get(ConnectionService);
    const cluster = admin.app.get(ClusterService);
    for (let n = 0; n < 3; n++) await admin.open('/ws?user=u');
    const [first = '', second = '', third = ''] = (await admin.list()).items.map(({ id }) => id);
    connections.kick(first, { reason: 'no' });
    await cluster.kick(second, { by: 'nightly job' });
    await cluster.kick('none.00000001');
    await cluster.kickAll({ user: 'u' });
    const { id } = bans.ban({ kind: 'user', value: 'v', forMs: 1000 });
    bans.lift(id);
    const entries = await trail();
    const application = { role: 'application', from: null };
    const node = third.slice(0, third.lastIndexOf('.'));
    const parameters = { kind: 'user', value: 'v', forMs: 1000 };
    expect(entries.toReversed()).toMatchObject([
      { ...application, who: 'application', what: 'kick', target: first, result: 'done', parameters: { reason: 'no' } },
      { ...application, who: 'nightly job', what: 'kick', target: second, result: 'done' },
      { ...application, who: 'application', what: 'kick', target: 'none.00000001', result: 'not-found' },
      { ...application, what: 'kick-all', target: node, parameters: { filter: { user: 'u' } }, after: { kicked: 1 } },
      { ...application, what: 'ban', target: id, result: 'done', parameters },
      { ...application, what: 'lift-ban', target: id, result: 'done' },
    ]);
    expect(entries).toHaveLength(6);
  });

  it('has pages and filters', async () => {
    for (let n = 0; n < 7; n++) await admin.kick(`none.0000000${n}`);
    await ban('u');
    const seen: Entry[] = [];
    let cursor: string | null = null;
    do {
      const at: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { json } = await admin.ask(`audit?limit=3${at}`);
      seen.push(...(json as { items: Entry[] }).items);
      cursor = (json as { nextCursor: string | null }).nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(await trail());
    expect(seen).toHaveLength(8);
    const [newest] = seen;
    for (const [query, count] of [
      ['what=kick', 7],
      ['what=kick&result=not-found&who=ops&from=127.0.0.1', 7],
      ['who=screen', 0],
      ['target=none.00000003', 1],
      [`node=${newest!.node}`, 8],
      [`since=${encodeURIComponent(newest!.at)}`, expect.any(Number)],
      ['since=2999-01-01T00:00:00Z', 0],
      ['since=2000-01-01T00:00:00%2B02:00', 8],
    ] as const) {
      expect([query, (await trail(query)).length]).toEqual([query, count]);
    }
  });

  it.each([
    ['since=yesterday', '/since'],
    ['since=2026-01-31T12:00:00', '/since'],
    ['cursor=none', '/cursor'],
    ['limit=0', '/limit'],
    ['action=kick', '/action'],
    ['who=', '/who'],
  ])('refuses the query %s', async (query, pointer) => {
    const { status, json } = await admin.ask(`audit?${query}`);
    expect([status, json.type, json.errors]).toEqual([
      400,
      'urn:nestjs-heartbeat:problem:bad-query',
      [{ pointer, detail: expect.any(String) }],
    ]);
  });

  it('refuses a cursor of other filters', async () => {
    for (let n = 0; n < 3; n++) await admin.kick(`none.0000000${n}`);
    const { json } = await admin.ask('audit?limit=1&what=kick');
    expect((await admin.ask(`audit?limit=1&what=kick&cursor=${json.nextCursor}`)).status).toBe(200);
    expect((await admin.ask(`audit?limit=1&cursor=${json.nextCursor}`)).status).toBe(400);
  });

  it('shows input of a client as text', async () => {
    const reason = 'x"\n\u202e<b>';
    await admin.kick('none.00000001', `reason=${encodeURIComponent(reason)}`);
    const [entry] = await trail();
    expect(entry!.parameters).toEqual({ reason, reconnect: false });
  });

  it('is not flooded by an application that kicks thousands of connections', async () => {
    const connections = admin.app.get(ConnectionService);
    for (let n = 0; n < 10_000; n++) connections.kick(`none.${n}`);
    expect(await trail('limit=500')).toHaveLength(60);
    await AdminApp.closeAll();
    expect(admin.audit).toHaveLength(61);
    expect(JSON.parse(admin.audit[60]!)).toMatchObject({
      who: 'application',
      what: 'kick',
      result: 'not-found',
      parameters: { count: 9940 },
    });
  });
});
