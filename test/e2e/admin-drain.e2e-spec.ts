/** Drains by hand through the admin routes: plan, start, progress, abort and again, with real clients. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  DrainService,
  type DrainPlan,
  type EventPayload,
  HeartbeatEvents,
  type HeartbeatOptions,
  HeartbeatService,
} from 'nestjs-heartbeat';

import { performance } from 'node:perf_hooks';

import { unstamped } from '../support/assert/unstamped.js';
import { until } from '../support/assert/until.js';
import { type Answer, ask } from '../support/clients/ask.js';
import { EventReader } from '../support/clients/event-reader.js';
import { fixedHeartbeat } from '../support/clients/heartbeat-watch.js';
import { type NotifiedClient, openNotified } from '../support/clients/notified-client.js';
import { RawClient } from '../support/clients/raw-client.js';
import { AdminApp, PLATFORMS, PROBLEM, TOKENS } from '../support/servers/admin-app.js';

const WRONG_BODIES: readonly (readonly [unknown, string[]])[] = [
  [{ spreadMs: -1 }, ['/spreadMs']],
  [{ deadlineMs: '5000' }, ['/deadlineMs']],
  [{ returnWindowMs: 0.5 }, ['/returnWindowMs']],
  [{ deadlineMs: 0 }, ['/deadlineMs']],
  [{ workTimeoutMs: [] }, ['/workTimeoutMs']],
  [{ deadlineMs: 2 ** 31 }, ['/deadlineMs']],
  [{ spread: 1, all: true }, ['/spread', '/all']],
  [{ node: '' }, ['/node']],
  [{ node: 1 }, ['/node']],
  [{ force: 'yes' }, ['/force']],
  [[], ['']],
  [null, ['']],
];

/** Its work lasts until `finish`. */
@WebSocketGateway({ path: '/work' })
class WorkGateway {
  #resolve: (() => void) | null = null;

  @SubscribeMessage('work')
  async work(): Promise<{ event: string; data: string }> {
    await new Promise<void>(resolve => (this.#resolve = resolve));
    return { event: 'work', data: 'done' };
  }

  @SubscribeMessage('finish')
  finish(): { event: string; data: string } {
    this.#resolve?.();
    return { event: 'finish', data: 'done' };
  }
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  EventReader.closeAll();
  await AdminApp.closeAll();
});

const DRAIN = { spreadMs: 400, closeTimeoutMs: 300, deadlineMs: 1500 };

function start(platform = PLATFORMS[0]![1], options: HeartbeatOptions = {}): Promise<AdminApp> {
  return AdminApp.start(platform, { admin: { tokens: TOKENS }, drain: DRAIN, ...options });
}

async function openClients(count: number, { port }: AdminApp): Promise<NotifiedClient[]> {
  const clients = await openNotified(count, { port });
  cleanups.push(() => clients.forEach(client => client.destroy()));
  return clients;
}

function drain(app: AdminApp, body: unknown, token: string | null = 'do', query = ''): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) };
  return app.ask(`drain${query}`, token, { method: 'POST', headers, body: JSON.stringify(body) });
}

const abort = (app: AdminApp, query = '') => app.ask(`drain${query}`, 'do', { method: 'DELETE' });
const plan = async (app: AdminApp): Promise<DrainPlan> => (await app.ask('drain', 'see')).json as DrainPlan;
const ready = async ({ port }: AdminApp) => (await ask({ port, path: '/health/ready' })).status;
const audits = (app: AdminApp) => app.audit.map(line => JSON.parse(line) as Record<string, unknown>);

function eventsOf({ app }: AdminApp): EventPayload[] {
  const events: EventPayload[] = [];
  const subscription = app.get(HeartbeatEvents).stream.subscribe(event => {
    if (event.type.startsWith('drain-')) events.push(unstamped(event));
  });
  cleanups.push(() => subscription.unsubscribe());
  return events;
}

async function expectServing(app: AdminApp): Promise<void> {
  expect([await ready(app), (await plan(app)).state]).toEqual([200, 'serving']);
  const client = await app.open();
  expect((await app.list()).items.at(-1)).toMatchObject({ state: 'open' });
  client.destroy();
  const { items } = (await app.ask('nodes')).json as { items: { state: string }[] };
  expect(items[0]?.state).toBe('up');
}

describe.each(PLATFORMS)('a drain by hand, on %s', (_name, platform) => {
  it('begins, shows its progress, is aborted, begins again and ends, and the process stays', async () => {
    const app = await start(platform);
    const events = eventsOf(app);
    const reader = await EventReader.following({
      port: app.port,
      path: 'events?types=drain-started,drain-ended,drain-aborted',
    });
    const clients = await openClients(40, app);
    const before = await app.ask('drain', 'see');
    expect([before.status, before.json]).toEqual([
      200,
      {
        node: expect.stringMatching(/-[0-9a-f]{8}$/),
        state: 'serving',
        connections: 40,
        busy: 0,
        spreadMs: 400,
        estimatedMs: 700,
        deadlineMs: 1500,
        graceMs: null,
        fits: true,
        excessMs: 0,
        remaining: 0,
        total: 0,
        terminated: 0,
        startedAt: null,
        reason: null,
        final: false,
      },
    ]);

    const begun = await drain(app, { spreadMs: 20_000, returnWindowMs: 500 });
    const progress = {
      state: 'draining',
      spreadMs: 20_000,
      estimatedMs: 20_300,
      deadlineMs: 21_100,
      total: 40,
      startedAt: expect.stringMatching(/Z$/),
      reason: 'by hand: ops',
      final: false,
    };
    expect([begun.status, begun.json]).toEqual([202, expect.objectContaining(progress)]);
    expect(await ready(app)).toBe(503);
    expect((await ask({ port: app.port, path: '/health/live' })).status).toBe(200);
    const refused = await new RawClient({ port: app.port }).open();
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(refused.body).toContain('draining');
    await until(() => clients.filter(({ closeFrame }) => closeFrame !== null).length > 2);
    expect(await plan(app)).toMatchObject({ ...progress, remaining: expect.any(Number) });
    const { items } = (await app.ask('nodes')).json as { items: { state: string }[] };
    expect(items[0]?.state).toBe('draining');
    expect(await drain(app, { force: true })).toMatchObject({
      status: 409,
      json: { type: expect.stringMatching(/:drain-under-way$/), detail: expect.stringContaining('of 40 connections') },
    });

    const aborted = await abort(app);
    expect([aborted.status, aborted.json]).toMatchObject([200, { state: 'serving', total: 0, startedAt: null }]);
    await expectServing(app);
    const closed = clients.filter(({ closeFrame }) => closeFrame !== null);
    expect(closed.length).toBeLessThan(20);
    expect(Math.max(...closed.map(({ advice }) => advice!.retryAfterMs))).toBeLessThanOrEqual(500);
    const open = clients.filter(client => !closed.includes(client));
    await until(async () => (await app.list()).total === open.length);
    expect(open.every(({ closeFrame }) => closeFrame === null)).toBe(true);
    expect((await abort(app)).json).toMatchObject({ status: 409, type: expect.stringMatching(/:not-draining$/) });

    expect(await drain(app, {})).toMatchObject({ status: 202, json: { spreadMs: 400, deadlineMs: 1500 } });
    await Promise.all(open.map(({ ended }) => ended));
    expect(open.map(({ closeFrame }) => closeFrame?.code)).toEqual(open.map(() => 1001));
    await until(async () => (await plan(app)).state === 'drained');
    expect(await plan(app)).toMatchObject({ connections: 0, remaining: 0, terminated: 0 });
    expect(await ready(app)).toBe(503);
    expect((await new RawClient({ port: app.port }).open()).status).toBe(503);
    expect((await drain(app, {})).json).toMatchObject({ status: 409, detail: expect.stringContaining('is drained') });
    expect((await abort(app)).status).toBe(200);
    await expectServing(app);

    const kinds = events.map(({ type }) => type).filter(type => type !== 'drain-progress');
    expect(kinds).toEqual(['drain-started', 'drain-aborted', 'drain-started', 'drain-ended', 'drain-aborted']);
    expect(events[0]).toEqual({ type: 'drain-started', connections: 40, reason: 'by hand: ops' });
    await reader.some('drain-aborted', 2);
    expect([reader.types.slice(1), reader.endedWell]).toEqual([kinds, null]);
    const done = { who: 'ops', target: before.json.node as string, from: '127.0.0.1', result: 'done' };
    expect(audits(app)).toMatchObject([
      {
        ...done,
        what: 'drain',
        parameters: { spreadMs: 20_000, returnWindowMs: 500 },
        after: { state: 'draining', connections: 40 },
      },
      { ...done, what: 'drain', result: 'refused: drain-under-way', parameters: { force: true } },
      { ...done, what: 'abort-drain' },
      { ...done, what: 'abort-drain', result: 'refused: not-draining' },
      { ...done, what: 'drain', parameters: {} },
      { ...done, what: 'drain', result: 'refused: drain-under-way' },
      { ...done, what: 'abort-drain' },
    ]);
  });

  it('does not begin with a wrong body', async () => {
    const app = await start(platform);
    for (const [body, pointers] of WRONG_BODIES) {
      const { status, headers, json } = await drain(app, body);
      expect([body, status, headers['content-type']]).toEqual([body, 400, expect.stringMatching(PROBLEM)]);
      expect(json.type).toMatch(/bad-body$/);
      expect(json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers);
    }
    expect((await plan(app)).state).toBe('serving');
    const attempt = { who: 'ops', role: 'operator', what: 'drain', result: 'refused: bad-body' };
    expect(audits(app)).toMatchObject(WRONG_BODIES.map(() => attempt));
  });

  it('needs no body', async () => {
    const app = await start(platform);
    expect(await app.ask('drain', 'do', { method: 'POST' })).toMatchObject({ status: 202 });
  });
});

describe('a drain by hand', () => {
  it('takes its node from the body, and none from the query', async () => {
    const app = await start();
    const { status, json } = await drain(app, {}, 'do', '?node=other');
    expect([status, json.detail]).toEqual([400, expect.stringContaining('node is no parameter of this route')]);
    expect(await drain(app, { node: 'other' })).toMatchObject({ status: 404 });
    for (const answer of [await app.ask('drain?node=other'), await abort(app, '?node=other')])
      expect([answer.status, answer.json.type]).toEqual([404, expect.stringMatching(/:not-found$/)]);
    expect((await abort(app, '?nodes=other')).status).toBe(400);
    const { node } = await plan(app);
    expect(audits(app)).toMatchObject([
      { what: 'drain', target: node, result: 'refused: bad-query' },
      { what: 'drain', target: 'other', result: 'not-found' },
      { what: 'abort-drain', target: 'other', result: 'not-found' },
      { what: 'abort-drain', target: node, result: 'refused: bad-query' },
    ]);
    expect(await drain(app, { node })).toMatchObject({ status: 202, json: { node, state: 'drained' } });
    expect(await abort(app, `?node=${node}`)).toMatchObject({ status: 200 });
  });

  it('is refused to viewers and without a token, and the trail has the attempts of the viewer', async () => {
    const app = await start();
    for (const [token, expected] of [
      ['see', 403],
      [null, 401],
    ] as const) {
      expect((await drain(app, {}, token)).status).toBe(expected);
      expect((await app.ask('drain', token, { method: 'DELETE' })).status).toBe(expected);
    }
    expect((await plan(app)).state).toBe('serving');
    const { node: target } = await plan(app);
    expect(audits(app)).toMatchObject([
      { who: 'screen', what: 'drain', target, result: 'forbidden' },
      { who: 'screen', what: 'abort-drain', target, result: 'forbidden' },
    ]);
  });

  it('must fit into its deadline, unless it is forced, and the problem has the excess', async () => {
    const app = await start();
    const [client] = await openClients(1, app);
    const body = { spreadMs: 600, deadlineMs: 500 };
    const { status, json } = await drain(app, body);
    expect([status, json]).toEqual([
      400,
      {
        type: 'urn:nestjs-heartbeat:problem:plan-does-not-fit',
        title: 'Bad Request',
        status: 400,
        detail: expect.stringContaining('400 ms more than deadlineMs (500)'),
        excessMs: 400,
      },
    ]);
    expect(await plan(app)).toMatchObject({ state: 'serving', connections: 1 });
    client!.silent();
    expect(await drain(app, { ...body, force: true })).toMatchObject({
      status: 202,
      json: { fits: false, excessMs: 400 },
    });
    await client!.ended;
    await until(async () => (await plan(app)).state === 'drained');
    expect(audits(app)).toMatchObject([
      { what: 'drain', result: 'refused: plan-does-not-fit', parameters: body },
      { what: 'drain', result: 'done', parameters: { ...body, force: true } },
    ]);
  });

  it('is the drain of DrainService: state, plan and abort', async () => {
    const app = await start();
    const [client] = await openClients(1, app);
    const service = app.app.get(DrainService);
    const result = service.start('a test', { spreadMs: 30_000 });
    expect([service.state, (await plan(app)).reason, service.plan()]).toEqual(['draining', 'a test', await plan(app)]);
    expect((await abort(app)).status).toBe(200);
    expect([await result, service.state]).toEqual([expect.objectContaining({ aborted: true }), 'serving']);
    await drain(app, { spreadMs: 30_000 });
    expect([service.state, service.abort()]).toEqual(['draining', true]);
    await expectServing(app);
    expect(client!.closeFrame).toBeNull();
  });

  it('leaves limits and liveness as before, once it is aborted', async () => {
    const app = await start(undefined, { heartbeat: fixedHeartbeat(200), limits: { maxConnections: 4 } });
    const clients = await openClients(3, app);
    await drain(app, { spreadMs: 600_000 });
    await until(() => app.app.get(HeartbeatService).sinceTickMs < 100);
    await abort(app);
    await app.open();
    const refused = await new RawClient({ port: app.port }).open();
    expect([refused.status, refused.body]).toEqual([503, expect.stringContaining('at-capacity')]);
    clients[0]!.silent();
    await until(async () => (await app.list()).total === 3);
    const { items } = (await app.ask('closed')).json as { items: { code: number }[] };
    expect(items).toMatchObject([{ code: 4000 }]);
    expect(clients.slice(1).every(({ closeFrame }) => closeFrame === null)).toBe(true);
  });

  it('waits for work, which is in the plan', async () => {
    const app = await AdminApp.start(PLATFORMS[0]![1], { admin: { tokens: TOKENS }, drain: DRAIN }, undefined, {
      providers: [WorkGateway],
    });
    const client = await app.open('/work');
    client.sendEvent('work');
    await until(async () => (await plan(app)).busy === 1);
    expect(await plan(app)).toMatchObject({ connections: 1, estimatedMs: 1500, fits: true });
    const refused = await drain(app, { workTimeoutMs: 10_000, deadlineMs: 5000 });
    expect([refused.status, refused.json.excessMs]).toEqual([400, 5700]);
    expect((await drain(app, { workTimeoutMs: 30_000 })).json).toMatchObject({
      estimatedMs: 30_700,
      deadlineMs: 30_700,
    });
    const since = performance.now();
    await until(() => performance.now() - since > 600);
    expect([client.closeFrame, await plan(app)]).toMatchObject([null, { state: 'draining', busy: 1, remaining: 1 }]);
    await abort(app);
    client.sendEvent('finish');
    await until(() => client.texts.length === 2);
    expect(await plan(app)).toMatchObject({ state: 'serving', busy: 0 });

    client.sendEvent('work');
    await until(async () => (await plan(app)).busy === 1);
    await drain(app, { workTimeoutMs: 30_000 });
    app.app.get(WorkGateway).finish();
    expect(await client.ended).toMatchObject({ code: 1001 });
    expect(client.json.at(-1)).toEqual({ event: 'work', data: 'done' });
    await until(async () => (await plan(app)).state === 'drained');
    expect((await plan(app)).terminated).toBe(0);
  });

  it('is taken over by app.close(), which ends in time', async () => {
    const app = await start();
    const events = eventsOf(app);
    const clients = await openClients(20, app);
    await drain(app, { spreadMs: 600_000 });
    const closing = app.app.close();
    await closing;
    await Promise.all(clients.map(({ ended }) => ended));
    expect(clients.map(({ closeFrame }) => closeFrame?.code)).toEqual(clients.map(() => 1001));
    expect(events.map(({ type }) => type)).toEqual(['drain-started', 'drain-taken-over', 'drain-ended']);
  });
});
