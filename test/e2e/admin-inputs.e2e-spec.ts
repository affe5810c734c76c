/** Each route of the admin API × each role × wrong input: problem details, nothing done, and an entry of the audit trail. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ExpressAdapter } from '@nestjs/platform-express';
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

/** A call, and the problem with which it is refused. */
interface Refusal {
  readonly call: Call;
  readonly status: number;
  readonly name: string;
  /** The pointer of a fault. */
  readonly pointer?: string;
  /** The result in the audit trail where the route changes something; undefined for no entry. */
  readonly result?: string;
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

const bodyOf = ({ body }: InputRow, change: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({ ...body?.valid, ...change });

describe.each(PLATFORMS)('the admin API on %s', (_, platform) => {
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
    return { connections, bans: bans.json, drain: drain.json, config: (await admin.ask('config')).json };
  }

  /** The entries of known senders since the last call; those of unknown ones follow within a minute. */
  function entries(): Entry[] {
    const all = admin.audit;
    const added = all.slice(logged).map(line => JSON.parse(line) as Entry);
    logged = all.length;
    return added.filter(({ who }) => who !== 'unknown');
  }

  /** One line for each call that the route does not refuse as it should, and one where the calls together changed something. */
  async function faultsOf(route: string, refusals: readonly Refusal[]): Promise<string[]> {
    const faults: string[] = [];
    const before = JSON.stringify(await state());
    entries();
    for (const { call, status, name, pointer, result } of refusals) {
      const answer = await send(route, call);
      const { what } = INPUT_ROWS[route]!;
      const who = call.token === undefined ? 'ops' : viewerOf(route);
      const pointers = ((answer.json?.errors ?? []) as { pointer: string }[]).map(each => each.pointer);
      const seen = {
        status: answer.status,
        type: answer.json?.type,
        isProblem: PROBLEM.test(String(answer.headers['content-type'])),
        cache: answer.headers['cache-control'],
        pointer: pointer === undefined || pointers.includes(pointer) ? pointer : pointers,
        entries: entries().map(each => [each.who, each.what, each.result]),
      };
      const wanted = {
        status,
        type: `urn:nestjs-heartbeat:problem:${name}`,
        isProblem: true,
        cache: 'no-store',
        pointer,
        entries: result === undefined || what === undefined ? [] : [[who, what, result]],
      };
      if (JSON.stringify(seen) === JSON.stringify(wanted)) continue;
      const shown = JSON.stringify({ ...call, body: call.body?.slice(0, 200) });
      faults.push(`${shown}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`);
    }
    const after = JSON.stringify(await state());
    return after === before ? faults : [...faults, `changed ${before} to ${after}`];
  }

  it.each(ROUTES)('%s is refused without a token, and with a wrong one, whatever the input', async route => {
    const calls: Call[] = [{}, { query: 'unknown=1' }, { body: '{"a":' }, { body: bodyOf(INPUT_ROWS[route]!) }];
    const refusals = calls.flatMap((call, n) => {
      const localAddress = `127.0.${ROUTES.indexOf(route) + 1}.${n + 1}`;
      const tokens = [null, 'wrong'];
      return tokens.map(token => ({ call: { ...call, token, localAddress }, status: 401, name: 'unauthenticated' }));
    });
    expect(await faultsOf(route, refusals)).toEqual([]);
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
    const forbidden = { status: 403, name: 'forbidden', result: 'forbidden' };
    expect(
      await faultsOf(
        route,
        calls.map(call => ({ call: { ...call, token }, ...forbidden })),
      ),
    ).toEqual([]);
  });

  it.each(ROUTES)('%s refuses wrong queries', async route => {
    const row = INPUT_ROWS[route]!;
    const queries = [...(row.queries ?? []), ['unknown=1', '/unknown'], ['__proto__=1', '/__proto__']] as const;
    const problem = { status: 400, name: 'bad-query', result: 'refused: bad-query' };
    const refusals = queries.map(([query, pointer]) => {
      const call = { query, ...(row.body && { body: bodyOf(row) }) };
      return { call, pointer, ...problem };
    });
    expect(await faultsOf(route, refusals)).toEqual([]);
  });

  it.each(changing.filter(route => methodOf(route) !== 'DELETE'))('%s refuses broken bodies', async route => {
    const refusals = BROKEN.map(([, call, status, name]) => ({ call, status, name, result: `refused: ${name}` }));
    expect(await faultsOf(route, refusals)).toEqual([]);
  });

  it.each(ROUTES.filter(route => INPUT_ROWS[route]!.body !== undefined))('%s refuses wrong bodies', async route => {
    const row = INPUT_ROWS[route]!;
    const { wrong, isOptional } = row.body!;
    const changes = [...wrong, [{ unknown: 1 }, '/unknown'], [{ 'a/b~c': 1 }, '/a~1b~0c']] as const;
    const cases: (readonly [call: Call, pointer: string])[] = [
      ...(isOptional === true ? [] : [[{}, ''] as const]),
      ...NO_OBJECTS.map(body => [{ body }, ''] as const),
      ...changes.map(([change, pointer]) => [{ body: bodyOf(row, change) }, pointer] as const),
      [{ body: bodyOf(row).replace('{', '{"__proto__":{"force":true},') }, '/__proto__'],
    ];
    const problem = { status: 400, name: 'bad-body', result: 'refused: bad-body' };
    const refusals = cases.map(([call, pointer]) => ({ call, pointer, ...problem }));
    expect(await faultsOf(route, refusals)).toEqual([]);
  });

  it.each(withIds)('%s knows no other ids', async route => {
    const problem = { status: 404, name: 'not-found', result: 'not-found' };
    const path = (id: string) => pathOf(route).replace(/:\w+/, () => id);
    expect(
      await faultsOf(
        route,
        UNKNOWN_IDS.map(id => ({ call: { path: path(id) }, ...problem })),
      ),
    ).toEqual([]);
  });

  it.each(withIds)('%s knows no damaged ids', async route => {
    const before = await state();
    for (const id of DAMAGED_IDS) {
      const answer = await send(route, { path: pathOf(route).replace(/:\w+/, () => id) });
      expect([id.slice(0, 20), answer.status]).toEqual([id.slice(0, 20), 404]);
      expect(answer.headers['content-type']).toMatch(PROBLEM);
    }
    expect(await state()).toEqual(before);
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

describe('the table', () => {
  afterAll(() => AdminApp.closeAll());

  it('has a row for each route of the admin API, and an action for each that changes something', async () => {
    const admin = await AdminApp.start(() => new ExpressAdapter());
    const registered = adminRoutesOf(admin).map(({ method, path }) => `${method} ${path.slice('/admin/'.length)}`);
    expect(ROUTES.toSorted()).toEqual(registered.toSorted());
    expect(ROUTES.filter(route => INPUT_ROWS[route]!.what !== undefined)).toEqual(changing);
  });
});
