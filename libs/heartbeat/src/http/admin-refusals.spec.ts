import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { ClientAddresses } from '../admission/client-addresses.js';
import { NodeState } from '../node/node-state.js';
import type { OwnRouting } from './own-routing.js';
import { RefusedRequests } from './refused-requests.js';
import { RouteTable } from './route-table.js';
import { problemOf } from '../base/problem.js';
import { resolveOptions } from '../options/resolve-options.js';
import { identifyAdmin } from './admin-actor.js';
import { AdminAudit } from './admin-audit.js';
import type { AuditStore } from './audit-store.js';
import type { AuditEntry } from './audit-view.js';
import { AdminRefusals } from './admin-refusals.js';

const TABLE = new RouteTable(
  [
    { area: 'admin', method: 'DELETE', pattern: '/admin/connections/:id', action: 'kick' },
    { area: 'admin', method: 'POST', pattern: '/admin/bans', action: 'ban' },
    { area: 'metrics', method: 'GET', pattern: '/metrics' },
    { area: 'health', method: 'GET', pattern: '/health' },
  ],
  '',
);

describe('AdminRefusals', () => {
  let entries: AuditEntry[];
  let node: NodeState;
  let refused: RefusedRequests;
  let refusals: AdminRefusals;
  let audit: AdminAudit;

  beforeEach(() => {
    jest.useFakeTimers();
    entries = [];
    const options = resolveOptions({ cluster: { nodeName: 'n' } });
    node = new NodeState(options, { now: () => 0, wallTime: moment => new Date(moment) });
    refused = new RefusedRequests();
    const addresses = new ClientAddresses(options);
    audit = new AdminAudit(addresses, {} as AuditStore);
    audit.recordFor = (actor, change) => void entries.push({ ...actor, ...change });
    const routing = TABLE as unknown as OwnRouting;
    refusals = new AdminRefusals(node, addresses, audit, routing, refused);
  });
  afterEach(() => {
    refusals.onApplicationShutdown();
    if (jest.getTimerCount() > 0) throw new Error('a timer is left');
    jest.useRealTimers();
  });

  function refuse(
    status: number,
    from = '192.0.2.1',
    { method = 'GET', url = '/admin/closed', name = '', problem = 'p', isAdmitted = false } = {},
  ): IncomingMessage {
    const request = { method, url, headers: {}, socket: { remoteAddress: from } } as unknown as IncomingMessage;
    if (name !== '') identifyAdmin(request, name, 'viewer');
    refused.announce({ request, problem: problemOf(problem, status, ''), isAdmitted });
    return request;
  }

  it('writes one entry for an address and a minute, with the numbers', () => {
    for (let turn = 0; turn < 10; turn++) refuse(401);
    for (let turn = 0; turn < 5; turn++) refuse(429);
    refuse(401, '192.0.2.2');
    expect(entries).toEqual([]);
    jest.advanceTimersByTime(60_000);
    const common = { who: 'unknown', role: null, what: 'admin-request', target: node.id, result: 'refused' };
    expect(entries).toEqual([
      { ...common, from: '192.0.2.1', parameters: { count: 15, unauthenticated: 10, 'too-many-failures': 5 } },
      { ...common, from: '192.0.2.2', parameters: { count: 1, unauthenticated: 1 } },
    ]);
    jest.advanceTimersByTime(600_000);
    expect(entries).toHaveLength(2);
    refuse(401);
    jest.advanceTimersByTime(60_000);
    expect(entries).toHaveLength(3);
    expect(node.totals.adminRefused).toEqual({ unauthenticated: 12, forbidden: 0, 'too-many-failures': 5 });
  });

  it('counts the addresses of one IPv6 network together', () => {
    for (const end of ['1', '2', 'ffff']) refuse(401, `2001:db8::${end}`);
    refuse(401, '2001:db8:0:1::1');
    jest.advanceTimersByTime(60_000);
    expect(entries.map(({ parameters }) => parameters?.['count'])).toEqual([3, 1]);
  });

  it('writes a bounded number of entries, for any number of addresses', () => {
    for (let n = 0; n < 5000; n++) refuse(401, `10.0.${n >> 8}.${n & 255}`);
    jest.advanceTimersByTime(60_000);
    expect(entries).toHaveLength(101);
    expect(entries.at(-1)).toMatchObject({ from: 'other addresses', parameters: { count: 4900 } });
  });

  it('writes the counts when the application closes', () => {
    refuse(401);
    refusals.onApplicationShutdown();
    expect(entries).toHaveLength(1);
  });

  it.each<[string, string, string, string]>([
    ['DELETE', '/admin/connections/n.0001', 'kick', 'n.0001'],
    ['POST', '/admin/bans', 'ban', 'this node'],
    ['DELETE', '/admin/closed/b1', 'DELETE /admin/closed/b1', 'b1'],
    ['PATCH', '/admin/limits', 'PATCH /admin/limits', 'this node'],
  ])('writes each attempt that a role forbids: %s %s', (method, url, what, target) => {
    for (let turn = 0; turn < 2; turn++) refuse(403, '192.0.2.1', { method, url, name: 'screen' });
    const entry = {
      who: 'screen',
      role: 'viewer',
      what,
      target: target === 'this node' ? node.id : target,
      from: '192.0.2.1',
      result: 'forbidden',
    };
    expect(entries).toEqual([entry, entry]);
  });

  it.each<[number, string, string]>([
    [400, 'bad-body', 'refused: bad-body'],
    [400, 'ban-too-wide', 'refused: ban-too-wide'],
    [404, 'not-found', 'not-found'],
    [409, 'drain-running', 'refused: drain-running'],
    [413, 'content-too-large', 'refused: content-too-large'],
    [429, 'snapshot-too-soon', 'refused: snapshot-too-soon'],
    [500, 'internal-error', 'failed'],
    [504, 'node-silent', 'unconfirmed'],
  ])('writes a change that was not made: %i %s', (status, problem, result) => {
    refuse(status, '192.0.2.1', { method: 'POST', url: '/admin/bans', name: 'ops', problem, isAdmitted: true });
    const actor = { who: 'ops', role: 'viewer', from: '192.0.2.1' };
    expect(entries).toEqual([{ ...actor, what: 'ban', target: node.id, result }]);
    expect(Object.values(node.totals.adminRefused)).toEqual([0, 0, 0]);
  });

  it('writes a body that was refused after the guard, under the name of a guard of the application', () => {
    refuse(400, '192.0.2.1', { method: 'POST', url: '/admin/bans', problem: 'bad-body', isAdmitted: true });
    expect(entries.map(({ who, result }) => [who, result])).toEqual([['adminGuard', 'refused: bad-body']]);
  });

  it('writes no second entry for a change that its route recorded', () => {
    const url = '/admin/connections/n.0001';
    const request = { method: 'DELETE', url, headers: {}, socket: {} } as unknown as IncomingMessage;
    audit.record(request, { what: 'kick', target: 'n.0001', result: 'not-found' });
    refused.announce({ request, problem: problemOf('not-found', 404, ''), isAdmitted: true });
    expect(entries).toHaveLength(1);
  });

  it('counts a 403 of a guard that named no actor, since any client can cause it', () => {
    for (let turn = 0; turn < 3; turn++) refuse(403);
    jest.advanceTimersByTime(60_000);
    expect(entries).toEqual([expect.objectContaining({ parameters: { count: 3, forbidden: 3 } })]);
  });

  it('writes nothing for a request that only reads', () => {
    refuse(400, '192.0.2.1', { name: 'ops', problem: 'bad-query', isAdmitted: true });
    expect(entries).toEqual([]);
  });

  it.each([
    [404, '/admin/closed'],
    [400, '/admin/connections'],
    [500, '/admin/connections'],
    [401, '/health'],
  ])('does not count %i of %s', (status, url) => {
    refuse(status, '192.0.2.1', { url });
    jest.advanceTimersByTime(60_000);
    expect(entries).toEqual([]);
    expect(Object.values(node.totals.adminRefused)).toEqual([0, 0, 0]);
  });
});
