/** Each route of the admin API × each role × wrong input: problem details, nothing done, and an entry of the audit trail. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { HeapSnapshotService } from 'nestjs-heartbeat';
import { AdminApp, PLATFORMS, PROBLEM } from '../support/servers/admin-app.js';
import { DAMAGED_IDS, INPUT_ROWS, type InputRow, UNKNOWN_IDS } from '../support/servers/admin-inputs.js';
import { adminRoutesOf } from '../support/servers/admin-routes.js';
import { type Answer, ask } from '../support/clients/ask.js';

const ROUTES = Object.keys(INPUT_ROWS);
const [methodOf, pathOf] = [(route: string) => route.split(' ')[0]!, (route: string) => route.split(' ')[1]!];
const changing = ROUTES.filter(route => methodOf(route) !== 'GET');
const withIds = ROUTES.filter(route => route.includes(':'));

/** A viewer for each route, since the entries of one are limited. */
const viewerOf = (route: string) => `viewer ${ROUTES.indexOf(route)}`;
const TOKENS = [
  { token: 'do', role: 'operator', name: 'ops' } as const,
  ...ROUTES.map((route, n) => ({ token: `see-${n}`, role: 'viewer', name: viewerOf(route) }) as const),
];

interface Call {
  readonly method?: string | undefined;
  readonly token?: string | null;
  readonly query?: string;
  /** Default: the path of the route with an unknown id. */
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly localAddress?: string;
}

interface Entry {
  readonly who: string;
  readonly what: string;
  readonly result: string;
}

/** Bodies that no route accepts. */
const BROKEN: readonly (readonly [what: string, call: Call, status: number, name: string])[] = [
  ['a body that is not JSON', { body: '{"a":' }, 400, 'bad-body'],
  ['a body that is too large', { body: JSON.stringify({ a: 'x'.repeat(102_400) }) }, 413, 'content-too-large'],
  ['a body as text', { body: '{}', headers: { 'content-type': 'text/plain' } }, 415, 'unsupported-media-type'],
  [
    'a form',
    { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    415,
    'unsupported-media-type',
  ],
  [
    'a body that claims to be compressed',
    { body: '{}', headers: { 'content-encoding': 'gzip' } },
    415,
    'unsupported-media-type',
  ],
];
/** Bodies that are JSON and no object. */
const NO_OBJECTS = ['[]', '[{}]', '"text"', '5', 'true', 'null'] as const;

describe.each(PLATFORMS)('on %s', (_, platform) => {
  let admin: AdminApp;
  let logged = 0;

  beforeAll(async () => {
    admin = await AdminApp.start(platform, { admin: { tokens: TOKENS } });
    const taken = { file: 'heap', bytes: 1, durationMs: 1 };
    jest.spyOn(admin.app.get(HeapSnapshotService), 'takeOn').mockResolvedValue(taken);
    for (let n = 0; n < 3; n++) await admin.open('/ws?user=u');
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await AdminApp.closeAll();
  });

  function send(
    route: string,
    { method = methodOf(route), token = 'do', query, path, body, headers, localAddress }: Call,
  ): Promise<Answer> {
    const below = path ?? pathOf(route).replace(/:\w+/, 'none');
    return ask({
      port: admin.port,
      path: `/admin/${below}${query === undefined ? '' : `?${query}`}`,
      method,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(body)),
        }),
        ...headers,
      },
      ...(body !== undefined && { body }),
      ...(localAddress !== undefined && { localAddress }),
    });
  }

  /** All that a route may change. */
  async function state(): Promise<unknown> {
    const { items } = await admin.list('limit=500');
    // A connection whose ping is unanswered is open as before.
    const connections = items.map(({ id, state: of, userId }) => [id, of === 'probing' ? 'open' : of, userId]);
    const [bans, drain] = [await admin.ask('bans'), await admin.ask('drain')];
    return { connections, bans: bans.json, drain: drain.json };
  }

  /** The entries of known senders since the last call; those of unknown ones follow within a minute. */
  function entries(): Entry[] {
    const all = admin.audit;
    const added = all.slice(logged).map(line => JSON.parse(line) as Entry);
    logged = all.length;
    return added.filter(({ who }) => who !== 'unknown');
  }

  /** The route refuses the call with this problem, does nothing, and has an entry where the sender is known and wants a change. */
  async function expectRefused(
    route: string,
    call: Call,
    { status, name, pointer, result }: { status: number; name: string; pointer?: string; result?: string },
  ): Promise<void> {
    entries();
    const before = await state();
    const answer = await send(route, call);
    const where = { route, call: { ...call, body: call.body?.slice(0, 200) } };
    const type = `urn:nestjs-heartbeat:problem:${name}`;
    expect({ ...where, status: answer.status, type: answer.json?.type }).toEqual({ ...where, status, type });
    expect(answer.headers['content-type']).toMatch(PROBLEM);
    expect(answer.headers['cache-control']).toBe('no-store');
    if (pointer !== undefined) {
      expect({ ...where, errors: answer.json.errors }).toEqual({
        ...where,
        errors: expect.arrayContaining([{ pointer, detail: expect.stringMatching(/\w/) }]),
      });
    }
    const { what } = INPUT_ROWS[route]!;
    const who = call.token === undefined ? 'ops' : viewerOf(route);
    const expected = result === undefined || what === undefined ? [] : [expect.objectContaining({ who, what, result })];
    expect({ ...where, entries: entries() }).toEqual({ ...where, entries: expected });
    expect({ ...where, state: await state() }).toEqual({ ...where, state: before });
  }

  const bodyOf = ({ body }: InputRow, change: Readonly<Record<string, unknown>> = {}) =>
    JSON.stringify({ ...body?.valid, ...change });

  if (_ === 'Express') {
    it('each route has a row', () => {
      const registered = adminRoutesOf(admin).map(({ method, path }) => `${method} ${path.slice('/admin/'.length)}`);
      expect(registered.toSorted()).toEqual(ROUTES.toSorted());
      const named = ROUTES.filter(route => INPUT_ROWS[route]!.what !== undefined);
      expect(named).toEqual(changing);
    });
  }

  it.each(ROUTES)('%s is refused without a token, and with a wrong one, whatever the input', async route => {
    const calls: Call[] = [{}, { query: 'unknown=1' }, { body: '{"a":' }, { body: bodyOf(INPUT_ROWS[route]!) }];
    for (const [n, call] of calls.entries()) {
      const localAddress = `127.0.${ROUTES.indexOf(route) + 1}.${n + 1}`;
      for (const token of [null, 'wrong']) {
        await expectRefused(route, { ...call, token, localAddress }, { status: 401, name: 'unauthenticated' });
      }
    }
  });

  it.each(changing)('%s is forbidden to a viewer, whatever the input', async route => {
    const row = INPUT_ROWS[route]!;
    const calls: Call[] = [
      { body: bodyOf(row) },
      { query: 'unknown=1' },
      ...BROKEN.map(([, call]) => call),
      ...NO_OBJECTS.map(body => ({ body })),
      ...(row.queries ?? []).map(([query]) => ({ query })),
      ...(row.body?.wrong ?? []).map(([change]) => ({ body: bodyOf(row, change) })),
    ];
    const token = `see-${ROUTES.indexOf(route)}`;
    for (const call of calls) {
      await expectRefused(route, { ...call, token }, { status: 403, name: 'forbidden', result: 'forbidden' });
    }
  });

  it.each(ROUTES)('%s refuses wrong queries', async route => {
    const { queries = [] } = INPUT_ROWS[route]!;
    for (const [query, pointer] of [...queries, ['unknown=1', '/unknown'], ['__proto__=1', '/__proto__']] as const) {
      const expected = { status: 400, name: 'bad-query', pointer, result: 'refused: bad-query' };
      await expectRefused(
        route,
        { query, ...(INPUT_ROWS[route]!.body && { body: bodyOf(INPUT_ROWS[route]!) }) },
        expected,
      );
    }
  });

  it.each(changing.filter(route => methodOf(route) !== 'DELETE'))('%s refuses broken bodies', async route => {
    for (const [, call, status, name] of BROKEN) {
      await expectRefused(route, call, { status, name, result: `refused: ${name}` });
    }
  });

  it.each(ROUTES.filter(route => INPUT_ROWS[route]!.body !== undefined))('%s refuses wrong bodies', async route => {
    const row = INPUT_ROWS[route]!;
    const { wrong, isOptional } = row.body!;
    const empty = isOptional === true ? [] : [{ call: {}, pointer: '' }];
    const cases: { call: Call; pointer: string }[] = [
      ...empty,
      ...NO_OBJECTS.map(body => ({ call: { body }, pointer: '' })),
      ...[...wrong, [{ unknown: 1 }, '/unknown'] as const, [{ 'a/b~c': 1 }, '/a~1b~0c'] as const].map(
        ([change, pointer]) => ({
          call: { body: bodyOf(row, change) },
          pointer,
        }),
      ),
      { call: { body: bodyOf(row).replace('{', '{"__proto__":{"force":true},') }, pointer: '/__proto__' },
    ];
    for (const { call, pointer } of cases) {
      await expectRefused(route, call, { status: 400, name: 'bad-body', pointer, result: 'refused: bad-body' });
    }
  });

  it.each(withIds)('%s knows no other ids', async route => {
    for (const id of UNKNOWN_IDS) {
      const path = pathOf(route).replace(/:\w+/, id);
      await expectRefused(route, { path }, { status: 404, name: 'not-found', result: 'not-found' });
    }
    for (const id of DAMAGED_IDS) {
      const before = await state();
      const answer = await send(route, { path: pathOf(route).replace(/:\w+/, id) });
      expect([id.slice(0, 20), answer.status]).toEqual([id.slice(0, 20), 404]);
      expect(answer.headers['content-type']).toMatch(PROBLEM);
      expect(await state()).toEqual(before);
    }
  });

  it.each(ROUTES)('%s does what it is for, with one entry where that is a change', async route => {
    const row = INPUT_ROWS[route]!;
    const { path, body, status = 200, undo } = await row.accepted(admin);
    entries();
    const answer = await send(route, { method: row.acceptedBy, path, ...(body && { body: JSON.stringify(body) }) });
    // A bulk kick also has an entry about its end.
    const added = entries().filter(({ what }) => !what.endsWith('-end'));
    await undo?.();
    expect([answer.text, answer.status]).toEqual([expect.any(String), status]);
    const done = expect.objectContaining({ who: 'ops', role: 'operator', what: row.what, result: 'done' });
    expect(added).toEqual(row.what === undefined ? [] : [done]);
  });
});
