/** The events of a connection's life, and the record of its end. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Connection, type EventPayload, type TrackedSocket } from 'nestjs-heartbeat';
import { beat, TestApp } from '../support/servers/app.js';
import { Opcode } from '../../apps/loadtest/src/frames.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';
import { EchoGateway, startWithClient } from './connected-client.js';

afterEach(() => TestApp.closeAll());

/** The events of this connection, in order, repeated pongs and pings left out. */
function lifeOf(events: readonly EventPayload[], id: string): string[] {
  const types = events
    .filter(event => ('id' in event ? event.id === id : 'connection' in event && event.connection.id === id))
    .map(({ type }) => type);
  return types.filter((type, index) => !(type === types[index - 2] && ['ping', 'pong'].includes(type)));
}

describe('The event stream', () => {
  it('has one life in order', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway], options: { heartbeat: beat(300, 200) } });
    const events = app.recordEvents();
    const client = await app.opened();
    await until(() => client.pings.length >= 2);
    client.close(1000, 'bye');
    await until(() => events.some(({ type }) => type === 'closed'));
    const opened = events[0] as EventPayload & { type: 'opened' };
    expect(opened).toMatchObject({ type: 'opened', path: '/ws', ip: '127.0.0.1' });
    expect(lifeOf(events, opened.id)).toEqual(['opened', 'ping', 'pong', 'closed']);
    expect(events.at(-1)).toMatchObject({
      type: 'closed',
      code: 1000,
      reason: 'bye',
      by: 'client',
      connection: { id: opened.id, path: '/ws' },
    });
  });

  it('has each missed ping before a death', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway], options: { heartbeat: beat(300, 100, 3) } });
    const events = app.recordEvents();
    await app.opened({ autoPong: false });
    await until(() => events.some(({ type }) => type === 'closed'));
    expect(events.map(({ type }) => type)).toEqual([
      'opened',
      'ping',
      'missed',
      'ping',
      'missed',
      'ping',
      'missed',
      'closed',
    ]);
    expect(events.filter(({ type }) => type === 'missed')).toMatchObject([{ missed: 1 }, { missed: 2 }, { missed: 3 }]);
    expect(events.at(-1)).toMatchObject({ code: 4000, by: 'server' });
  });

  it('has a kick and a refusal', async () => {
    const { app, connection } = await startWithClient();
    const events = app.recordEvents();
    app.connections.kick(connection.id, { reason: 'spam', by: 'ann' });
    await app.client({ path: '/elsewhere' }).open();
    await until(() => events.length === 3);
    expect(events.filter(({ type }) => type !== 'refused')).toMatchObject([
      { type: 'kicked', id: connection.id, by: 'ann', reason: 'spam', code: 4500 },
      { type: 'closed', code: 4500, by: 'operator' },
    ]);
    expect(events).toContainEqual({ type: 'refused', status: 404, reason: 'no-such-path', ip: '127.0.0.1' });
  });
});

describe('A closed connection is remembered', () => {
  interface Case {
    readonly title: string;
    readonly act: (side: { client: RawClient; socket: TrackedSocket; connection: Connection }) => unknown;
    /** The closed history. */
    readonly kept: { readonly code: number; readonly reason?: string; readonly closedBy: string };
    /** The code that the client sees. */
    readonly seen: number;
  }

  const CASES: readonly Case[] = [
    {
      title: 'closed by the client with 1000',
      act: ({ client }) => client.close(1000, 'bye'),
      kept: { code: 1000, reason: 'bye', closedBy: 'client' },
      seen: 1000,
    },
    {
      title: 'closed by the client without a code',
      act: ({ client }) => client.close(),
      kept: { code: 1005, reason: '', closedBy: 'client' },
      seen: 1005,
    },
    {
      title: 'closed by the client with a code of its own',
      act: ({ client }) => client.close(4999),
      kept: { code: 4999, reason: '', closedBy: 'client' },
      seen: 4999,
    },
    {
      title: 'reset by the client',
      act: ({ client }) => client.reset(),
      kept: { code: 1006, closedBy: 'network' },
      seen: 1006,
    },
    {
      title: 'left by the client without a close frame',
      act: ({ client }) => client.socket.end(),
      kept: { code: 1006, closedBy: 'network' },
      seen: 1006,
    },
    {
      title: 'closed by the app on the socket',
      act: ({ socket }) => socket.close(4321, 'ours'),
      kept: { code: 4321, reason: 'ours', closedBy: 'server' },
      seen: 4321,
    },
    {
      title: 'closed by the app on the socket without a code',
      act: ({ socket }) => socket.close(),
      kept: { code: 1005, reason: '', closedBy: 'server' },
      seen: 1005,
    },
    {
      title: 'cut by the app',
      act: ({ socket }) => socket.terminate(),
      kept: { code: 1006, closedBy: 'server' },
      seen: 1006,
    },
    {
      title: 'too big a message',
      act: ({ client }) => client.sendText('x'.repeat(65_537)),
      kept: { code: 1009, closedBy: 'server' },
      seen: 1009,
    },
    {
      title: 'too many fragments',
      act: ({ client }) => client.sendFragments(Array(1026).fill('x')),
      kept: { code: 1008, closedBy: 'server' },
      seen: 1008,
    },
    {
      title: 'text that is no UTF-8',
      act: ({ client }) => client.sendFrame({ opcode: Opcode.text, payload: Buffer.from([0xff]) }),
      kept: { code: 1007, closedBy: 'server' },
      seen: 1007,
    },
    {
      title: 'a frame without a mask',
      act: ({ client }) => client.sendFrame({ opcode: Opcode.text, payload: 'bare', mask: false }),
      kept: { code: 1002, closedBy: 'server' },
      seen: 1002,
    },
    {
      title: 'a close frame with a code that must not be sent',
      act: ({ client }) => client.close(1006),
      kept: { code: 1002, closedBy: 'server' },
      seen: 1002,
    },
  ];

  it.each(CASES.map(one => [one.title, one] as const))('%s', async (_, { act, kept, seen }) => {
    const { app, client, socket, connection } = await startWithClient();
    const { id } = connection;
    act({ client, socket, connection });
    expect((await client.ended).code).toBe(seen);
    await until(() => app.connections.count === 0);
    const [closed] = app.connections.closedHistory();
    expect(closed).toMatchObject({ id, ...kept });
    expect(app.connections.history.get(id)).toEqual(closed);
    expect(closed!.flight[0]).toMatchObject({ what: 'opened' });
    expect(Date.parse(closed!.closedAt)).toBeGreaterThanOrEqual(Date.parse(closed!.openedAt));
  });

  it('that was kicked: 4500, for good', async () => {
    const { app, client, connection } = await startWithClient();
    expect(app.connections.kick(connection.id, { reason: 'spam' })).toBe(true);
    expect(await client.ended).toMatchObject({ code: 4500, reason: 'spam' });
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()).toMatchObject([{ code: 4500, reason: 'spam', closedBy: 'operator' }]);
    expect(app.connections.kick(connection.id)).toBe(false);
  });

  it('that was asked to reconnect: 4005, with a delay of its own within the window', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway], options: { drain: { returnWindowMs: 5000 } } });
    const clients = await Promise.all(Array.from({ length: 20 }, () => app.opened()));
    for (const { id } of app.connections.list().items) app.connections.kick(id, { reconnect: true });
    const ends = await Promise.all(clients.map(({ ended }) => ended));
    const delays = ends.map(({ code, reason }) => {
      expect(code).toBe(4005);
      const [, ms] = /^[^;]+; retry-after=(\d+)$/.exec(reason) ?? [];
      return Number(ms);
    });
    for (const delay of delays) expect(delay).toBeLessThanOrEqual(5000);
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  it('by a client of the application heartbeat, which receives an event before the close, and no other client does', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway], options: { heartbeat: beat(5000, 300) } });
    const [user, plain] = [await app.opened(), await app.opened()];
    user.sendEvent('heartbeat', { sentAt: 12.5 });
    await until(() => user.messages.length === 1);
    const id = app.connections.list().items.find(({ appHeartbeat }) => appHeartbeat)!.id;
    expect(user.json).toEqual([
      { event: 'heartbeat', data: { sentAt: 12.5, connectionId: id, intervalMs: 5000, timeoutMs: 300 } },
    ]);
    for (const item of app.connections.list().items) app.connections.kick(item.id, { reconnect: true });
    const { reason } = await user.ended;
    await plain.ended;
    const retryAfterMs = Number(/retry-after=(\d+)$/.exec(reason)?.[1]);
    expect(user.json.at(-1)).toEqual({ event: 'goodbye', data: { code: 4005, reason: 'reconnect', retryAfterMs } });
    expect(plain.messages).toEqual([]);
  });

  it('up to closedHistory of them, the newest first', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway], options: { closedHistory: 3 } });
    for (const code of [4101, 4102, 4103, 4104]) {
      const client = await app.opened();
      client.close(code);
      await until(() => app.connections.count === 0 && app.connections.closedHistory()[0]?.code === code);
    }
    expect(app.connections.closedHistory().map(({ code }) => code)).toEqual([4104, 4103, 4102]);
  });
});
