import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import type { HttpAdapterHost } from '@nestjs/core';

import { identifyAdmin } from '../http/admin-actor.js';
import { AdminAudit } from '../http/admin-audit.js';
import type { AuditStore } from '../http/audit-store.js';
import type { AuditEntry } from '../http/audit-view.js';
import { ClientAddresses } from '../admission/client-addresses.js';
import { resolveOptions } from '../options/resolve-options.js';
import { createHeapSnapshotController } from './heap-snapshot.controller.js';
import type { HeapSnapshot, HeapSnapshotService } from './heap-snapshot.service.js';
import type { SnapshotRefusal } from './snapshot-rules.js';

const TAKEN: HeapSnapshot = { file: '/tmp/a.heapsnapshot', bytes: 5, durationMs: 1 };
const TOO_SOON: SnapshotRefusal = { reason: 'too-soon', detail: 'Wait.', retryAfterSeconds: 7 };
const FULL = new Error('ENOSPC');

interface Routes {
  take(query: object, request: IncomingMessage, response: object): Promise<unknown>;
}

function controllerWith(take: HeapSnapshotService['take']) {
  const changes: AuditEntry[] = [];
  const answered: unknown[] = [];
  const httpAdapter = {
    status: (_response: object, status: number) => answered.push(status),
    setHeader: (_response: object, name: string, value: string) => answered.push(`${name}: ${value}`),
  };
  const addresses = new ClientAddresses(resolveOptions({ trustedProxies: ['10.0.0.0/8'] }));
  const audit = new AdminAudit(addresses, {} as AuditStore);
  audit.recordFor = (actor, change) => void changes.push({ ...actor, ...change });
  const Controller = createHeapSnapshotController('/admin');
  const host = { httpAdapter } as unknown as HttpAdapterHost;
  const directory = { find: async () => 'node' };
  const controller = new Controller(directory, { takeOn: take }, host, audit) as Routes;
  const request = { headers: { 'x-forwarded-for': '203.0.113.7' }, socket: { remoteAddress: '10.0.0.1' } };
  identifyAdmin(request, 'olga', 'operator');
  return { changes, answered, take: () => controller.take({}, request as unknown as IncomingMessage, {}) };
}

const CHANGE = { who: 'olga', role: 'operator', what: 'heap-snapshot', target: 'node', from: '203.0.113.7' };

describe('HeapSnapshotController', () => {
  it('returns the snapshot, and records the operator and its address behind the proxy', async () => {
    const { take, changes, answered } = controllerWith(async () => TAKEN);
    expect(await take()).toEqual(TAKEN);
    expect([changes, answered]).toEqual([[{ ...CHANGE, result: 'done' }], []]);
  });

  it('returns a refusal as problem details with Retry-After, and records it', async () => {
    const { take, changes, answered } = controllerWith(async () => TOO_SOON);
    expect(await take()).toMatchObject({ status: 429, type: expect.stringMatching(/:snapshot-too-soon$/) });
    expect(answered).toEqual([429, 'Content-Type: application/problem+json', 'Retry-After: 7']);
    expect(changes).toEqual([{ ...CHANGE, result: 'refused: too-soon' }]);
  });

  it('records a failure', async () => {
    const { take, changes } = controllerWith(() => Promise.reject(FULL));
    await expect(take()).rejects.toBe(FULL);
    expect(changes).toEqual([{ ...CHANGE, result: 'failed' }]);
  });
});
