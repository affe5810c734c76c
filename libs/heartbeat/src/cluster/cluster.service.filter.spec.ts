import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { until } from '../../../../test/support/assert/until.js';

Logger.overrideLogger(false);

describe('a filter of ClusterService', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;

  beforeEach(async () => {
    world = new ClusterWorld();
    [one, two] = [await world.add(), await world.add(), await world.add()];
    await world.renewAll();
  });
  afterEach(() => world.end());

  it.each<[string, unknown]>([
    ['no condition', {}],
    ['the value undefined', undefined],
    ['a user that is undefined', { user: undefined }],
    ['a user that is empty', { user: '' }],
    ['a misspelt condition', { usr: 'a' }],
    ['labels without one', { labels: {} }],
  ])('kicks no connection, on no node, for a filter with %s', async (_what, filter) => {
    const clients = world.nodes.map(node => node.open({ userId: 'a' }));
    await expect(two.cluster.kickAll(filter as object)).rejects.toMatchObject({ code: 'HEARTBEAT_BAD_QUERY' });
    await new Promise(resolve => setImmediate(resolve));
    expect(clients.map(({ connection }) => connection.closing)).toEqual([null, null, null]);
  });

  it('kicks no connection where an older node requests all', async () => {
    const { connection } = two.open();
    const body = { filter: {}, kick: {} };
    const request = { kind: 'request', from: one.id, id: 'r1', operation: 'kick-all', body };
    world.store.listeners.get(two.id)!.message(JSON.stringify({ version: 1, message: request }));
    await until(() => two.errors['request'] === 1);
    expect(connection.closing).toBeNull();
  });

  it.each(['__proto__', 'constructor', 'toString', '', 'Zürich'])(
    'selects by the label %j the same connections on every node',
    async name => {
      const labels = Object.fromEntries([[name, 'x']]);
      const clients = world.nodes.flatMap(node => [
        node.open({ userId: 'a', labels }),
        node.open({ userId: 'b', labels: { other: 'x' } }),
        node.open(),
      ]);
      const expected = clients.map((_, place) => place % 3 === 0);
      expect(one.cluster.broadcast('x', { labels })).toBe(1);
      await until(() => clients.filter(({ sent }) => sent.length > 0).length >= 3);
      const { items } = await one.cluster.list({ filter: { labels } });
      expect(items.map(item => Object.entries(item.labels))).toEqual(world.nodes.map(() => [[name, 'x']]));
      expect(clients.map(({ sent }) => sent.length === 1)).toEqual(expected);
      expect(await one.cluster.kickAll({ labels })).toMatchObject({ kicked: 3 });
      expect(clients.map(({ connection }) => connection.closing !== null)).toEqual(expected);
    },
  );

  it.each<[string, () => unknown]>([
    ['sendToUser(undefined)', () => one.cluster.sendToUser(undefined as unknown as string, 'x')],
    ['sendToUser(null)', () => one.cluster.sendToUser(null as unknown as string, 'x')],
    ['sendToUser(7)', () => one.cluster.sendToUser(7 as unknown as string, 'x')],
    ['broadcast to null', () => one.cluster.broadcast('x', null as unknown as object)],
    ['broadcast to a user that is undefined', () => one.cluster.broadcast('x', { user: undefined })],
    ['broadcast to a misspelt condition', () => one.cluster.broadcast('x', { users: 'a' } as object)],
  ])('sends nothing, on no node, for %s', async (_what, send) => {
    const clients = world.nodes.map(node => node.open({ userId: 'a' }));
    expect(send).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_QUERY' }));
    await new Promise(resolve => setImmediate(resolve));
    expect(clients.flatMap(({ sent }) => sent)).toEqual([]);
  });

  it.each<[string, object]>([
    ['a user that is undefined', { user: undefined }],
    ['an unknown condition', { users: 'a' }],
    ['a negative age', { minAgeMs: -1 }],
  ])('lists nothing for a filter with %s', async (_what, filter) => {
    await expect(one.cluster.list({ filter })).rejects.toMatchObject({ code: 'HEARTBEAT_BAD_QUERY' });
  });
});
