import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import { z } from 'zod';

import { until } from '../../../../test/support/assert/until.js';
import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { readMessage, readRequest } from '../../../../test/support/servers/wire.js';
import { encode } from './wire.js';

Logger.overrideLogger(false);

const request = { id: 'r1', operation: 'kick', body: { id: 'b-2.00000001', kick: {} } };
const deliver = { filter: { user: 'u', labels: [['team', 'red']] }, text: '{"event":"x"}' };
const bytes = { filter: {}, bytes: 'AAEC' };
const replace = { userId: 'u', serial: 7 };

describe('messages between nodes', () => {
  let world: ClusterWorld;
  let node: WorldNode;

  beforeEach(async () => {
    world = new ClusterWorld();
    node = await world.add();
  });
  afterEach(() => world.end());

  const receive = (text: string) => world.store.listeners.get(node.id)!.message(text);

  it.each<[string, object]>([
    ['request', request],
    ['reply', { id: 'r1', isFailed: false, body: 'closing' }],
    ['deliver', deliver],
    ['deliver', bytes],
    ['replace', replace],
    ['bans', {}],
    ['left', {}],
  ])('of the kind %s are read: %j', (kind, body) => {
    const text = encode(kind, 'a-1', body);
    expect(readMessage(text)).toEqual({ kind, from: 'a-1', ...body });
    receive(text);
    expect(node.errors['message']).toBe(0);
  });

  it.each<[string, string, object]>([
    ['an unknown kind', 'shutdown', {}],
    ['a kind named like an inherited property', 'constructor', {}],
    ['an unknown operation', 'request', { ...request, operation: 'exec' }],
    ['a body that does not match its operation', 'request', { ...request, body: { id: 7, kick: {} } }],
    [
      'an unknown condition, without which a filter would select too much',
      'deliver',
      { ...deliver, filter: { users: 'u' } },
    ],
    ['invalid bytes', 'deliver', { ...bytes, bytes: '???' }],
    ['an invalid serial', 'replace', { ...replace, serial: -1 }],
  ])('with %s are counted and dropped', (_, kind, body) => {
    receive(encode(kind, 'a-1', body));
    expect(node.errors['message']).toBe(1);
  });

  it('that the node has sent itself are checked, and not handled', async () => {
    const { id } = node.open();
    for (const kind of ['request', 'shutdown']) {
      receive(encode(kind, node.id, { id: 'r1', operation: 'kick', body: { id, kick: {} } }));
    }
    await until(() => node.errors['message'] === 1);
    expect(node.connections.count).toBe(1);
    receive(encode('request', 'a-1', { id: 'r1', operation: 'kick', body: { id, kick: {} } }));
    await until(() => node.connections.count === 0);
  });
});

describe('the registry of requests', () => {
  it('accepts one handler for a name', async () => {
    const world = new ClusterWorld();
    const { requests } = await world.add();
    const schemas = { request: z.null(), reply: z.null() };
    requests.handle('a-name-of-its-own', schemas, () => null);
    expect(() => requests.handle('a-name-of-its-own', schemas, () => null)).toThrow('two handlers');
    await world.end();
  });

  it.each<[object, boolean]>([
    [{}, true],
    [{ user: 'u', ip: '10.0.0.0/8', path: '/ws', node: 'n', state: 'open', minIdleMs: 1, labels: { a: 'b' } }, true],
    [{ minIdle: 1 }, false],
    [{ state: 'gone' }, false],
    [{ labels: { a: 1 } }, false],
  ])('checks the filter of a kick of all against its rule: %j is valid: %p', (filter, isGood) => {
    const body = { filter, kick: { reason: 'x' } };
    expect(readRequest({ kind: 'request', from: 'a-1', operation: 'kick-all', body }) !== null).toBe(isGood);
  });

  it('accepts no list longer than a page', () => {
    const body = { filter: {}, sort: 'openedAt', order: 'asc', after: null };
    const reads = (limit: number) =>
      readRequest({ kind: 'request', from: 'a-1', operation: 'list', body: { ...body, limit } }) !== null;
    expect([reads(500), reads(501)]).toEqual([true, false]);
  });
});
