import { beforeEach, describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { ClientAddresses } from '../admission/client-addresses.js';
import type { ClusterKicks } from '../cluster/cluster-kicks.js';
import type { Kick } from '../connection/connection.types.js';
import { resolveOptions } from '../options/resolve-options.js';
import { identifyAdmin } from '../http/admin-actor.js';
import { AdminAudit } from '../http/admin-audit.js';
import type { AuditStore } from '../http/audit-store.js';
import { createAdminController } from './admin.controller.js';
import { ProblemException } from '../http/problem.exception.js';

function requestFrom(remoteAddress: string): IncomingMessage {
  const request = { headers: { 'x-forwarded-for': '203.0.113.7' }, socket: { remoteAddress } };
  identifyAdmin(request, 'olga', 'operator');
  return request as unknown as IncomingMessage;
}

interface Routes {
  kick(id: string, parameters: Kick, request: IncomingMessage, response: object): Promise<unknown>;
}

describe('AdminController', () => {
  let trail: unknown[];
  let controller: Routes;
  let outcome: string;
  let statuses: number[];

  beforeEach(() => {
    trail = [];
    outcome = 'closing';
    statuses = [];
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies: ['10.0.0.0/8'] }));
    const kicks = { kick: async () => outcome } as unknown as ClusterKicks;
    const httpAdapter = { status: (_response: object, status: number) => statuses.push(status) };
    const audit = new AdminAudit(addresses, {} as AuditStore);
    audit.recordFor = (actor, change) => trail.push({ ...actor, ...change });
    const Controller = createAdminController('/admin');
    const made: unknown = new Controller({}, kicks, audit, { httpAdapter });
    controller = made as Routes;
  });

  const kick = (id: string, from: string) => controller.kick(id, { reason: 'spam' }, requestFrom(from), {});

  it.each([
    ['the client behind a trusted proxy', '10.0.0.1', '203.0.113.7'],
    ['a peer that only claims to be a proxy', '198.51.100.1', '198.51.100.1'],
  ])('records the address of a kick in the audit trail: %s', async (_what, peer, from) => {
    expect(await kick('node.1', peer)).toEqual({ id: 'node.1', node: 'node', closing: true });
    const entry = {
      who: 'olga',
      role: 'operator',
      what: 'kick',
      target: 'node.1',
      from,
      parameters: { reason: 'spam' },
    };
    expect(trail).toEqual([{ ...entry, result: 'done' }]);
    outcome = 'already-closing';
    await kick('node.1', peer);
    expect(trail[1]).toEqual({ ...entry, result: 'already-closing' });
  });

  it('responds with 202 to a kick that its node did not confirm, and never reports it as done', async () => {
    outcome = 'unconfirmed';
    expect(await kick('node.1', '10.0.0.1')).toEqual({ id: 'node.1', node: 'node', closing: false, confirmed: false });
    expect([statuses, trail]).toEqual([[202], [expect.objectContaining({ result: 'unconfirmed' })]]);
  });

  it('also records a kick that finds no connection', async () => {
    outcome = 'not-found';
    await expect(kick('node.2', '10.0.0.1')).rejects.toBeInstanceOf(ProblemException);
    expect(trail).toEqual([expect.objectContaining({ from: '203.0.113.7', result: 'not-found' })]);
  });
});
