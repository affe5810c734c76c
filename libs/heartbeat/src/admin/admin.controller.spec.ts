import { beforeEach, describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import type { CanActivate } from '@nestjs/common';

import { ClientAddresses } from '../admission/client-addresses.js';
import type { ConnectionService, Kick } from '../connection/connection.service.js';
import { resolveOptions } from '../resolve-options.js';
import { identifyAdmin } from './admin-actor.js';
import type { AdminAudit } from './admin-audit.js';
import { createAdminController } from './admin.controller.js';
import { ProblemException } from './problem.exception.js';

class Guard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

function requestFrom(remoteAddress: string): IncomingMessage {
  const request = { headers: { 'x-forwarded-for': '203.0.113.7' }, socket: { remoteAddress } };
  identifyAdmin(request, 'olga');
  return request as unknown as IncomingMessage;
}

interface Routes {
  kick(id: string, parameters: Kick, request: IncomingMessage): unknown;
}

describe('AdminController', () => {
  let trail: unknown[];
  let controller: Routes;
  let begins: boolean;

  beforeEach(() => {
    trail = [];
    begins = true;
    const addresses = new ClientAddresses(resolveOptions({ trustedProxies: ['10.0.0.0/8'] }));
    const connections = {
      get: (id: string) => (id === 'node.1' ? {} : undefined),
      kick: () => begins,
    } as unknown as ConnectionService;
    const audit = { record: (entry: unknown) => trail.push(entry) } as unknown as AdminAudit;
    const Controller = createAdminController('/admin', Guard);
    controller = new Controller(addresses, { id: 'node' }, connections, audit) as Routes;
  });

  const kick = (id: string, from: string) => controller.kick(id, { reason: 'spam' }, requestFrom(from));

  it.each([
    ['the client behind a trusted proxy', '10.0.0.1', '203.0.113.7'],
    ['who is no trusted proxy and only says so', '198.51.100.1', '198.51.100.1'],
  ])('writes into the audit trail where a kick came from: %s', (_what, peer, from) => {
    expect(kick('node.1', peer)).toEqual({ id: 'node.1', node: 'node', closing: true });
    const entry = { who: 'olga', what: 'kick', target: 'node.1', from, parameters: { reason: 'spam' } };
    expect(trail).toEqual([{ ...entry, result: 'done' }]);
    begins = false;
    kick('node.1', peer);
    expect(trail[1]).toEqual({ ...entry, result: 'already-closing' });
  });

  it('writes down also a kick that meets nobody', () => {
    expect(() => kick('node.2', '10.0.0.1')).toThrow(ProblemException);
    expect(trail).toEqual([expect.objectContaining({ from: '203.0.113.7', result: 'not-found' })]);
  });
});
