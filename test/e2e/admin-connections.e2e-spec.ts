import { afterEach, describe, expect, it } from '@jest/globals';

import type { ConnectionDetail } from 'nestjs-heartbeat';
import { AdminApp, PLATFORMS, PROBLEM } from '../support/servers/admin-app.js';

afterEach(() => AdminApp.closeAll());

describe.each(PLATFORMS)('GET /admin/connections on %s', (_, platform) => {
  it('shows each connection whole', async () => {
    const admin = await AdminApp.start(platform);
    await admin.open('/ws?user=u1&team=red', { headers: { 'User-Agent': '<b>' } });
    const { status, headers, json } = await admin.ask('connections');
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    const { node } = json.items[0];
    const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const item = {
      id: expect.stringContaining(node),
      node,
      path: '/ws',
      ip: '127.0.0.1',
      userId: 'u1',
      labels: { team: 'red' },
      state: 'open',
      openedAt: iso,
      lastSeenAt: iso,
      lastMessageAt: null,
      rttMs: null,
      missedPongs: 0,
      bufferedBytes: 0,
      messagesIn: 0,
      messagesOut: 0,
      bytesIn: 0,
      bytesOut: expect.any(Number),
      userAgent: '<b>',
      appHeartbeat: false,
      transport: 'ws',
      busy: 0,
    };
    const nodes = [{ id: node, status: 'ok', connections: 1, ageMs: 0 }];
    expect(json).toEqual({ items: [item], nextCursor: null, total: 1, nodes });
  });

  it('filters', async () => {
    const admin = await AdminApp.start(platform);
    await admin.open('/ws?user=u1&team=red');
    await admin.open('/ws?user=u2&team=red');
    await admin.open('/ws', { localAddress: '127.0.0.9' });
    const node = (await admin.list()).items[0]?.node;
    const totals = {
      'user=u1': 1,
      'user=u': 0,
      'label.team=red': 2,
      'label.team=red&user=u2': 1,
      'label.team=blue': 0,
      'ip=127.0.0.9': 1,
      'ip=127.0.0.8/31': 1,
      'ip=127.0.0.0/8': 3,
      'ip=::ffff:127.0.0.9': 1,
      'ip=::1': 0,
      'path=/ws': 3,
      'path=/': 0,
      [`node=${node}`]: 3,
      'node=other': 0,
      'state=open': 3,
      'state=closing': 0,
      'minAgeMs=0': 3,
      'minAgeMs=60000': 0,
      'minIdleMs=0': 3,
      'minIdleMs=60000': 0,
      'minRttMs=0': 0,
      'minBufferedBytes=1': 0,
    };
    const found: Record<string, number> = {};
    for (const query of Object.keys(totals)) found[query] = (await admin.list(query)).total;
    expect(found).toEqual(totals);
  });

  it.each(['sort=openedAt&order=asc', 'sort=openedAt&order=desc', 'sort=rttMs&order=desc'])(
    'comes in pages by %s, each row once',
    async query => {
      const admin = await AdminApp.start(platform);
      for (let opened = 0; opened < 7; opened++) await admin.open();
      const all = (await admin.list(query)).items.map(({ id }) => id);
      const paged: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page = await admin.list(`${query}&limit=3${cursor && `&cursor=${cursor}`}`);
        expect(page.total).toBe(7);
        paged.push(...page.items.map(({ id }) => id));
        cursor = page.nextCursor;
      }
      expect(paged).toEqual(all);
      expect(new Set(all).size).toBe(7);
    },
  );

  it('refuses a cursor that is damaged, or of another listing', async () => {
    const admin = await AdminApp.start(platform);
    await Promise.all([admin.open(), admin.open()]);
    const { nextCursor } = await admin.list('limit=1');
    const own = `cursor=${nextCursor}`;
    for (const query of [`${own}&sort=rttMs`, `${own}&order=desc`, `${own}&path=/ws`, `${own}x`, 'cursor=x']) {
      const answer = await admin.ask(`connections?${query}`);
      expect(answer).toMatchObject({ status: 400, json: { errors: [{ pointer: '/cursor' }] } });
    }
  });

  it.each([
    ['limit=0', ['/limit']],
    ['limit=501', ['/limit']],
    ['limit=a', ['/limit']],
    ['limit=', ['/limit']],
    ['limit', ['/limit']],
    ['limit=1&limit=2', ['/limit']],
    ['limit=1&limit=1', ['/limit']],
    ['user=a&user=b', ['/user']],
    ['ip=10.0.0.0/33', ['/ip']],
    ['state=gone', ['/state']],
    ['minAgeMs=-1', ['/minAgeMs']],
    ['label.team=', ['/label.team']],
    ['label.team=a&label.team=b', ['/label.team']],
    ['label.=a', ['/label.']],
    ['limit[]=1', ['/limit[]']],
    ['limit[a]=1', ['/limit[a]']],
    ['a%2Fb~c=1', ['/a~1b~0c']],
    ['__proto__=1', ['/__proto__']],
    ['constructor=1', ['/constructor']],
    ['sort=x&order=y&foo=1', ['/sort', '/order', '/foo']],
  ])('answers 400 to ?%s, pointing at %j', async (query, pointers) => {
    const admin = await AdminApp.start(platform);
    const { status, headers, json } = await admin.ask(`connections?${query}`);
    expect([status, json.type]).toEqual([400, 'urn:nestjs-heartbeat:problem:bad-query']);
    expect(headers['content-type']).toMatch(PROBLEM);
    expect(json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers);
  });
});

describe.each(PLATFORMS)('GET /admin/connections/:id on %s', (_, platform) => {
  it('shows one with its flight record', async () => {
    const admin = await AdminApp.start(platform);
    await admin.open();
    const id = await admin.firstId();
    const { status, headers, json } = await admin.ask(`connections/${id}`);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    const { flight } = json as ConnectionDetail;
    // A busy machine may stall the server.
    const events = flight.filter(({ kind }) => kind !== 'stall');
    expect([json.id, events]).toEqual([id, [{ at: json.openedAt, what: 'opened', kind: 'opened' }]]);
  });

  it.each(['x', '1', '%00', '..%2f..%2fetc', encodeURIComponent('😀'), 'a'.repeat(90)])(
    'answers 404 to %s, which could not be one of ours',
    async id => {
      const admin = await AdminApp.start(platform);
      const answers = [await admin.ask(`connections/${id}`), await admin.ask(`closed/${id}`), await admin.kick(id)];
      for (const { status, headers, json } of answers) {
        expect([status, json.type]).toEqual([404, 'urn:nestjs-heartbeat:problem:not-found']);
        expect(headers['content-type']).toMatch(PROBLEM);
      }
    },
  );
});
