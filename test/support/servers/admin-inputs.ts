import type { Answer } from '../clients/ask.js';
import { BODIES, type BodyRow } from './admin-bodies.js';
import { until } from '../assert/until.js';
import type { AdminApp } from './admin-app.js';

/** A request that a route accepts. */
export interface Accepted {
  /** Below the admin path. */
  readonly path: string;
  readonly body?: object;
  readonly status?: number;
  /** Undoes it. */
  undo?(): Promise<unknown>;
}

/** What a route takes, and what it must refuse. */
export interface InputRow {
  /** Prepares a request that is accepted. */
  accepted(admin: AdminApp): Promise<Accepted> | Accepted;
  /** The action in the audit trail, of a route that changes something. */
  readonly what?: string;
  /** Queries, each with the pointer of its fault; an unknown parameter is added to all routes. */
  readonly queries?: readonly (readonly [query: string, pointer: string])[];
  /** Of a route with a body. */
  readonly body?: BodyRow;
  /** The method by which it is accepted: HEAD where the response has no end. Default: that of the route. */
  readonly acceptedBy?: 'HEAD';
}

const LIMITS = [
  ['limit=0', '/limit'],
  ['limit=501', '/limit'],
  ['limit=1.5', '/limit'],
  ['limit=1&limit=2', '/limit'],
  ['cursor=none', '/cursor'],
] as const;
const EMPTY_NODE = [['node=', '/node']] as const;

const NODE = 'none.00000001';

async function openId(admin: AdminApp): Promise<string> {
  const before = new Set((await admin.list('limit=500')).items.map(({ id }) => id));
  await admin.open();
  return (await admin.list('limit=500')).items.map(({ id }) => id).find(id => !before.has(id)) ?? 'none';
}

async function post(admin: AdminApp, path: string, body: object): Promise<Answer> {
  const headers = { authorization: 'Bearer do', 'content-type': 'application/json' };
  return admin.ask(path, 'do', { method: 'POST', headers, body: JSON.stringify(body) });
}

async function banned(admin: AdminApp, value: string): Promise<string> {
  return (await post(admin, 'bans', { ...BODIES.ban.valid, value })).json.id;
}

/** The token of a bulk kick of three connections. */
async function dryRun(admin: AdminApp): Promise<string> {
  const ids = [await openId(admin), await openId(admin), await openId(admin)];
  return (await post(admin, 'kicks', { ids, dryRun: true, perSecond: 1 })).json.token;
}

async function startedJob(admin: AdminApp): Promise<string> {
  return (await post(admin, 'kicks', { token: await dryRun(admin) })).json.job;
}

async function withoutLimit(admin: AdminApp): Promise<Answer> {
  const headers = { authorization: 'Bearer do', 'content-type': 'application/json' };
  return admin.ask('limits', 'do', { method: 'PATCH', headers, body: '{"maxPerIp":null}' });
}

const get = (path: string) => ({ accepted: () => ({ path }) });

/** By method and path below the admin path. */
export const INPUT_ROWS: Readonly<Record<string, InputRow>> = {
  'GET connections': {
    ...get('connections'),
    queries: [
      ...LIMITS,
      ['sort=age', '/sort'],
      ['order=up', '/order'],
      ['ip=10.0.0.0%2F33', '/ip'],
      ['state=gone', '/state'],
      ['transport=tcp', '/transport'],
      ['minIdleMs=-1', '/minIdleMs'],
      ['minAgeMs=1s', '/minAgeMs'],
      ['label.a=', '/label.a'],
      ['user=', '/user'],
    ],
  },
  'GET connections/:id': { accepted: async admin => ({ path: `connections/${await openId(admin)}` }) },
  'DELETE connections/:id': {
    what: 'kick',
    accepted: async admin => ({ path: `connections/${await openId(admin)}?reason=out` }),
    queries: [
      ['reason=', '/reason'],
      [`reason=${'x'.repeat(124)}`, '/reason'],
      ['reconnect=yes', '/reconnect'],
      ['reconnect=1', '/reconnect'],
    ],
  },
  'GET closed': {
    ...get('closed'),
    queries: [
      ...LIMITS,
      ...EMPTY_NODE,
      ['code=999', '/code'],
      ['by=me', '/by'],
      ['user=', '/user'],
      ['ip=host', '/ip'],
      ['since=now', '/since'],
    ],
  },
  'GET closed/:id': {
    accepted: async admin => {
      const id = await openId(admin);
      await admin.kick(id);
      await until(async () => (await admin.ask(`closed/${id}`)).status === 200);
      return { path: `closed/${id}` };
    },
  },
  'GET nodes': get('nodes'),
  'GET bans': { ...get('bans'), queries: [...LIMITS, ['kind=host', '/kind'], ['value=', '/value']] },
  'POST bans': {
    what: 'ban',
    accepted: () => ({ path: 'bans', body: { ...BODIES.ban.valid, value: 'accepted' }, status: 201 }),
    body: BODIES.ban,
  },
  'DELETE bans/:id': {
    what: 'lift-ban',
    accepted: async admin => ({ path: `bans/${await banned(admin, 'lifted')}` }),
  },
  'POST kicks': {
    what: 'bulk-kick',
    accepted: async admin => ({ path: 'kicks', body: { token: await dryRun(admin) }, status: 202 }),
    body: BODIES.bulkKick,
  },
  'GET kicks/:job': { accepted: async admin => ({ path: `kicks/${await startedJob(admin)}` }) },
  'DELETE kicks/:job': {
    what: 'stop-bulk-kick',
    accepted: async admin => ({ path: `kicks/${await startedJob(admin)}` }),
  },
  'GET drain': { ...get('drain'), queries: EMPTY_NODE },
  'POST drain': {
    what: 'drain',
    accepted: admin => ({
      path: 'drain',
      body: { spreadMs: 600_000 },
      status: 202,
      undo: () => admin.ask('drain', 'do', { method: 'DELETE' }),
    }),
    body: BODIES.drain,
  },
  'DELETE drain': {
    what: 'abort-drain',
    accepted: async admin => {
      await post(admin, 'drain', { spreadMs: 600_000 });
      return { path: 'drain' };
    },
    queries: EMPTY_NODE,
  },
  'PATCH limits': {
    what: 'change-limits',
    accepted: admin => ({ path: 'limits', body: { maxPerIp: 500 }, undo: () => withoutLimit(admin) }),
    body: {
      valid: { maxPerIp: 500 },
      wrong: [
        [{ maxPerIp: -1 }, '/maxPerIp'],
        [{ maxPerIp: '5' }, '/maxPerIp'],
        [{ maxPerIp: 1.5 }, '/maxPerIp'],
        [{ maxPerIp: 1e15 }, '/maxPerIp'],
        [{ maxPerIp: undefined }, ''],
        [{ maxConnections: 0 }, '/maxConnections'],
        [{ maxPerUser: true }, '/maxPerUser'],
        [{ upgradesPerSecond: [] }, '/upgradesPerSecond'],
        [{ upgradesPerSecondPerIp: {} }, '/upgradesPerSecondPerIp'],
        [{ messagesPerSecond: -5 }, '/messagesPerSecond'],
        [{ refuseAbove: 0.1 }, '/refuseAbove'],
        [{ refuseAbove: 1 }, '/refuseAbove'],
        [{ shedAbove: 1.1 }, '/shedAbove'],
        [{ forMs: 0 }, '/forMs'],
        [{ forMs: '5' }, '/forMs'],
        [{ forMs: 2 ** 31 }, '/forMs'],
        [{ maxPerIp: null, forMs: 5 }, '/forMs'],
        [{ node: '' }, '/node'],
        [{ node: 5 }, '/node'],
        [{ maxInFlight: 5 }, '/maxInFlight'],
      ],
    },
  },
  'GET config': { ...get('config'), queries: EMPTY_NODE },
  'GET me': get('me'),
  'GET doctor': { ...get('doctor'), queries: EMPTY_NODE },
  'POST heap-snapshot': {
    what: 'heap-snapshot',
    accepted: () => ({ path: 'heap-snapshot', status: 201 }),
    queries: EMPTY_NODE,
  },
  'GET audit': {
    ...get('audit'),
    queries: [...LIMITS, ['since=now', '/since'], ['since=2026-01-31', '/since'], ['who=', '/who'], ['from=', '/from']],
  },
  'GET stats': {
    ...get('stats'),
    queries: [...EMPTY_NODE, ['sinceMs=0', '/sinceMs'], ['sinceMs=900001', '/sinceMs'], ['stepMs=7', '/stepMs']],
  },
  'GET leaders': {
    ...get('leaders?by=bytesIn'),
    queries: [
      ['by=age', '/by'],
      ['by=bytesIn&group=node', '/group'],
      ['by=refusals&group=connection', '/group'],
    ],
  },
  'GET events': {
    ...get('events'),
    acceptedBy: 'HEAD',
    queries: [
      ['types=opened,nothing', '/types'],
      ['types=', '/types'],
      ['ip=host', '/ip'],
      ['state=open', '/state'],
      ['lastEventId=x', '/lastEventId'],
      ['transport=tcp', '/transport'],
    ],
  },
};

/** Ids that no object has; the audit trail has an attempt to change it. */
export const UNKNOWN_IDS = [NODE, 'none', '%00', '%3Cscript%3E', "'%20or%201=1", 'constructor', '__proto__'] as const;
/** Ids that a platform may refuse by itself, before a route has the request. */
export const DAMAGED_IDS = ['%E0%A4%A', '%', 'a'.repeat(4000), '%2e%2e', '..%2fbans'] as const;
