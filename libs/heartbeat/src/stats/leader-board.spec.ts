import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';

Logger.overrideLogger(false);

let world: ClusterWorld;
let one: WorldNode;

beforeEach(async () => {
  world = new ClusterWorld();
  one = await world.add();
});
afterEach(() => world.end());

/** A connection that has received so many messages. */
function opened(node: WorldNode, messagesIn: number, client: Parameters<WorldNode['open']>[0] = {}) {
  const { connection } = node.open(client);
  connection.messagesIn = messagesIn;
  return connection;
}

describe('leaders', () => {
  it('are the ten largest connections, without zeros', async () => {
    const all = Array.from({ length: 30 }, (_, index) => opened(one, index, { ip: `10.0.0.${index}` }));
    const { items, ...rest } = await one.stats.leaders({ by: 'messagesIn' });
    expect(items.map(({ value }) => value)).toEqual([29, 28, 27, 26, 25, 24, 23, 22, 21, 20]);
    expect(items[0]).toEqual({ key: all[29]!.id, value: 29, connections: 1, userId: null, ip: '10.0.0.29' });
    expect(rest).toEqual({ by: 'messagesIn', group: 'connection', nodes: [expect.objectContaining({ status: 'ok' })] });
    expect((await one.stats.leaders({ by: 'messagesOut' })).items).toEqual([]);
  });

  it('are users and addresses with the sums of their connections, and IPv6 clients by their network', async () => {
    opened(one, 5, { userId: 'ada', ip: '2001:db8::1' });
    opened(one, 4, { userId: 'ada', ip: '2001:db8::2' });
    opened(one, 8, { userId: 'bob', ip: '10.0.0.1' });
    opened(one, 100, { ip: '10.0.0.2' });
    const users = await one.stats.leaders({ by: 'messagesIn', group: 'user' });
    expect(users.items).toEqual([
      { key: 'ada', value: 9, connections: 2, userId: null, ip: null },
      { key: 'bob', value: 8, connections: 1, userId: null, ip: null },
    ]);
    const { items } = await one.stats.leaders({ by: 'messagesIn', group: 'ip' });
    expect(items.map(({ key, value }) => [key, value])).toEqual([
      ['10.0.0.2', 100],
      ['2001:db8::/64', 9],
      ['10.0.0.1', 8],
    ]);
  });

  it('by reconnects are openings that have ended, by address and by user', async () => {
    for (let turn = 0; turn < 5; turn++) {
      const { id } = one.open({ ip: '10.0.0.7', userId: 'ada' });
      if (turn < 4) one.connections.kick(id);
      await Promise.resolve();
    }
    for (let turn = 0; turn < 50; turn++) one.open({ ip: '10.0.0.8' });
    expect(await one.stats.leaders({ by: 'reconnects' })).toMatchObject({
      group: 'ip',
      items: [{ key: '10.0.0.7', value: 4, connections: 1 }],
      windowMs: expect.any(Number),
    });
    const { items } = await one.stats.leaders({ by: 'reconnects', group: 'user' });
    expect(items).toMatchObject([{ key: 'ada', value: 4, connections: 1 }]);
  });

  it('count a user that is identified after the opening', async () => {
    const { connection } = one.open();
    connection.identify({ userId: 'late' });
    connection.identify({ userId: 'late', labels: { renewed: 'yes' } });
    one.connections.kick(connection.id);
    await Promise.resolve();
    expect((await one.stats.leaders({ by: 'reconnects', group: 'user' })).items).toMatchObject([
      { key: 'late', value: 1, connections: 0 },
    ]);
  });

  it('by refusals are addresses, and users where they were known; an attack from many addresses hides none', async () => {
    const refused = (ip: string, userId?: string) =>
      one.events.announce({ type: 'refused', status: 429, reason: 'user-limit', ip, userId });
    for (let turn = 0; turn < 20_000; turn++) {
      refused(`10.${turn >> 8}.${turn & 255}.1`);
      if (turn % 10 === 0) refused('192.0.2.1', 'eve');
    }
    const byIp = await one.stats.leaders({ by: 'refusals' });
    expect(byIp.items[0]).toMatchObject({ key: '192.0.2.1', connections: 0 });
    expect(byIp.items[0]!.value).toBeGreaterThan(1900);
    expect(byIp.approximate).toBe(true);
    const byUser = await one.stats.leaders({ by: 'refusals', group: 'user' });
    expect([byUser.items, byUser.approximate]).toEqual([
      [{ key: 'eve', value: 2000, connections: 0, userId: null, ip: null }],
      undefined,
    ]);
  });

  it('are summed over nodes, approximate where both have candidates, and a connection keeps its node', async () => {
    const two = await world.add();
    opened(one, 5, { userId: 'ada' });
    opened(two, 6, { userId: 'ada' });
    opened(two, 7, { userId: 'bob' });
    const users = await one.stats.leaders({ by: 'messagesIn', group: 'user' });
    expect([users.items.map(({ key, value }) => [key, value]), users.approximate]).toEqual([
      [
        ['ada', 11],
        ['bob', 7],
      ],
      true,
    ]);
    const connections = await one.stats.leaders({ by: 'messagesIn', group: 'connection' });
    expect([connections.items.map(({ value }) => value), connections.approximate]).toEqual([[7, 6, 5], undefined]);
    expect(connections.nodes.map(({ status }) => status)).toEqual(['ok', 'ok']);
  });

  it.each([
    [{ by: 'age' as never }, /^by is "age" but must be one of bufferedBytes, /],
    [{ by: 'bytesIn' as const, group: 'path' as never }, /^group is "path" but must be one of connection, user, ip/],
    [{ by: 'refusals' as const, group: 'connection' as const }, /must be ip or user where by is refusals/],
  ])('reject %j', async (query, message) => {
    await expect(one.stats.leaders(query)).rejects.toMatchObject({
      code: 'HEARTBEAT_BAD_QUERY',
      message: expect.stringMatching(message),
    });
  });
});
