import { beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { type EventPayload, HeartbeatEvents } from './heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import { type Position, SORT_KEYS } from './listing/connection-query.js';
import { ConnectionService } from './connection.service.js';
import { NodeState } from '../node/node-state.js';
import type { SharedMessage } from './shared-message.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import type { TransportKind } from './transport.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

class FakeSocket {
  readonly sent: unknown[] = [];
  readonly closed: [number, string][] = [];
  bufferedAmount = 0;

  send(data: unknown, sent?: () => void): void {
    this.sent.push(data);
    sent?.();
  }

  sendShared({ payload, isBinary }: SharedMessage): void {
    this.sent.push(isBinary ? payload : String(payload));
  }

  close(code: number, reason: string): void {
    this.closed.push([code, reason]);
  }
}

describe('ConnectionService, used by the app', () => {
  let time: number;
  let wallOffset: number;
  let node: NodeState;
  let connections: ConnectionService;
  let events: EventPayload[];

  beforeEach(() => {
    time = 1000;
    wallOffset = 1_700_000_000_000;
    const clock = { now: () => time, wallTime: (moment: number) => new Date(wallOffset + moment) };
    node = new NodeState(resolveOptions({ cluster: { nodeName: 'blue' } }), clock);
    events = [];
    const stream = new HeartbeatEvents();
    connections = wireNode(node, stream).connections;
    stream.stream.subscribe(event => events.push(unstamped(event)));
  });

  function open({ ip = '10.0.0.1', userId }: { ip?: string; userId?: string } = {}) {
    const socket = new FakeSocket();
    const network = { bytesRead: 0, bytesWritten: 0, writableLength: 0, isPaused: () => false };
    const connection = connections.open({
      transport: transportOf(socket, network),
      path: '/ws',
      ip,
      userAgent: 'jest',
      identity: userId === undefined ? null : { userId },
    });
    return { connection, socket, network, id: connection.id };
  }

  describe('find', () => {
    it('finds by current user, address and label', () => {
      const [ann, bob] = [open({ userId: 'ann' }).connection, open({ userId: 'bob', ip: '10.0.0.2' }).connection];
      bob.identify({ userId: 'ann', labels: { room: 'a' } });
      expect(connections.findByUser('ann')).toEqual([ann, bob]);
      expect(connections.findByUser('bob')).toEqual([]);
      expect(connections.findByIp('10.0.0.2')).toEqual([bob]);
      expect(connections.findByLabel('room', 'a')).toEqual([bob]);
      expect(connections.find({ user: 'ann', ip: '10.0.0.0/31' })).toEqual([ann]);
      expect(connections.find({})).toEqual([ann, bob]);
      expect(connections.find({ user: 'nobody' })).toEqual([]);
    });

    it('finds by a label with the name of a property of every object', () => {
      const { connection } = open();
      connection.identify({ userId: 'ann', labels: Object.fromEntries([['__proto__', 'x']]) });
      open();
      expect(connections.findByLabel('__proto__', 'x')).toEqual([connection]);
    });
  });

  const sayNothing = undefined as unknown as string & object;
  it.each<[string, () => unknown]>([
    ['find(undefined)', () => connections.find(sayNothing)],
    ['find by a user that is undefined', () => connections.find({ user: sayNothing })],
    ['find by an unknown condition', () => connections.find({ users: 'ann' } as object)],
    ['findByUser(undefined)', () => connections.findByUser(sayNothing)],
    ['findByUser(null)', () => connections.findByUser(null as unknown as string)],
    ['findByUser(7)', () => connections.findByUser(7 as unknown as string)],
    ['findByIp(undefined)', () => connections.findByIp(sayNothing)],
    ['findByLabel(undefined)', () => connections.findByLabel(sayNothing, 'a')],
    ['findByLabel without a value', () => connections.findByLabel('room', sayNothing)],
    ['list(filter: undefined)', () => connections.list({ filter: sayNothing })],
    ['list by a negative age', () => connections.list({ filter: { minAgeMs: -1 } })],
    ['broadcast to null', () => connections.broadcast('x', null as unknown as object)],
    ['broadcast to a user that is undefined', () => connections.broadcast('x', { user: sayNothing })],
    ['broadcast to labels without one', () => connections.broadcast('x', { labels: {} })],
  ])('rejects %s, and does nothing', (_what, call) => {
    const { socket } = open({ userId: 'ann' });
    expect(call).toThrow(expect.objectContaining({ code: 'HEARTBEAT_BAD_QUERY' }));
    expect(socket.sent).toEqual([]);
  });

  it('rejects a list in slices asynchronously', async () => {
    const bad = { filter: { user: sayNothing } };
    await expect(connections.listInSlices(bad)).rejects.toMatchObject({ code: 'HEARTBEAT_BAD_QUERY' });
  });

  describe('kick', () => {
    it('closes with 4500 and publishes the initiator', () => {
      const { connection, socket, id } = open();
      expect(connections.kick(id, { by: 'ann' })).toBe(true);
      expect(socket.closed).toEqual([[4500, 'kicked']]);
      expect(connection.closing).toEqual({ code: 4500, reason: 'kicked', by: 'operator' });
      expect(events.at(-1)).toEqual({ type: 'kicked', id, by: 'ann', reason: 'kicked', code: 4500 });
      expect(connections.detail(id)?.flight.map(({ what }) => what)).toEqual(['opened', 'kicked by ann']);
    });

    it('closes with 4005 and a delay of the return window where the client may reconnect', () => {
      const { socket, id } = open();
      expect(connections.kick(id, { reason: 'deploy', reconnect: true })).toBe(true);
      expect(socket.closed).toEqual([[4005, expect.stringMatching(/^deploy; retry-after=\d+$/)]]);
      expect(events.at(-1)).toMatchObject({ type: 'kicked', by: 'application', reason: 'deploy', code: 4005 });
    });

    it('kicks no connection that does not exist, or is already closing', () => {
      const { id, socket } = open();
      expect(connections.kick(id)).toBe(true);
      expect(connections.kick(id)).toBe(false);
      expect(connections.kick('nobody')).toBe(false);
      expect([socket.closed.length, events.filter(({ type }) => type === 'kicked').length]).toEqual([1, 1]);
    });
  });

  describe('broadcast', () => {
    it('sends to all that match and are not closing, serialised once, and returns their number', () => {
      const [ann, bob, leaving] = [open({ userId: 'ann' }), open({ userId: 'bob' }), open({ userId: 'ann' })];
      leaving.connection.close();
      let serialised = 0;
      const data = { toJSON: () => ({ event: 'news', turn: ++serialised }) };
      expect(connections.broadcast(data)).toBe(2);
      expect([ann.socket.sent, bob.socket.sent, leaving.socket.sent]).toEqual([
        ['{"event":"news","turn":1}'],
        ['{"event":"news","turn":1}'],
        [],
      ]);
      expect(connections.broadcast('text', { user: 'ann' })).toBe(1);
      expect(ann.socket.sent.at(-1)).toBe('text');
      expect(connections.broadcast('text', { user: 'nobody' })).toBe(0);
    });

    it('reaches a server with a protocol of its own only by its transport', () => {
      const [own, gateway] = [open(), open()];
      const kind: TransportKind = { name: 'other', inBroadcasts: false, sentCode: code => code };
      Object.assign(own.connection.channel, { kind });
      expect([connections.broadcast('all'), connections.broadcast('other', { transport: 'other' })]).toEqual([1, 1]);
      expect([own.socket.sent, gateway.socket.sent]).toEqual([['other'], ['all']]);
    });
  });

  it('sends to one, and returns whether it exists', async () => {
    const { id, socket } = open();
    await expect(connections.send(id, { a: 1 })).resolves.toBe(true);
    await expect(connections.send('nobody', 'x')).resolves.toBe(false);
    expect(socket.sent).toEqual(['{"a":1}']);
  });

  it('draws a new reconnect delay for each client, within the window', () => {
    const delays = Array.from({ length: 200 }, () => node.retryAfterMs());
    expect(delays.every(delay => Number.isInteger(delay) && delay >= 0 && delay <= 10_000)).toBe(true);
    expect(new Set(delays).size).toBeGreaterThan(150);
  });

  describe('list', () => {
    it('shows a connection as documented', () => {
      const { id, network } = open({ userId: 'ann' });
      network.bytesRead = 5;
      expect(connections.list().items).toEqual([
        {
          id,
          node: node.id,
          path: '/ws',
          ip: '10.0.0.1',
          userId: 'ann',
          labels: {},
          state: 'open',
          openedAt: '2023-11-14T22:13:21.000Z',
          lastSeenAt: '2023-11-14T22:13:21.000Z',
          lastMessageAt: null,
          rttMs: null,
          missedPongs: 0,
          bufferedBytes: 0,
          messagesIn: 0,
          messagesOut: 0,
          bytesIn: 5,
          bytesOut: 0,
          userAgent: 'jest',
          appHeartbeat: false,
          transport: 'ws',
          busy: 0,
        },
      ]);
    });

    it('returns the first 50, oldest first, by default', () => {
      const ids = Array.from({ length: 60 }, () => {
        time += 10;
        return open().id;
      });
      const first = connections.list();
      expect([first.items.map(({ id }) => id), first.total]).toEqual([ids.slice(0, 50), 60]);
      const rest = connections.list({ after: first.end });
      expect([rest.items.map(({ id }) => id), rest.end]).toEqual([ids.slice(50), null]);
      expect(connections.list({ order: 'desc', limit: 1 }).items.map(({ id }) => id)).toEqual([ids[59]]);
    });

    it('by openedAt shows each once, also when the wall clock is set between two pages', () => {
      const ids = Array.from({ length: 9 }, () => {
        time += 100;
        return open().id;
      });
      const seen: string[] = [];
      let after: Position | null = null;
      do {
        const page = connections.list({ limit: 3, after });
        seen.push(...page.items.map(({ id }) => id));
        after = page.end;
        wallOffset = 1_700_000_005_000;
      } while (after !== null && seen.length < 30);
      expect(seen).toEqual(ids);
    });

    it.each(SORT_KEYS)('is in the order of the shown values: %s', sort => {
      for (let index = 0; index < 12; index++) {
        time += 10;
        const { connection, socket, network } = open();
        connection.pulse.measured((index * 7) % 5);
        socket.bufferedAmount = (index * 5) % 7;
        if (index % 3 === 0) connection.countReceived(time + ((index * 11) % 13));
        if (index % 4 === 0) connection.admits('message', 0);
        // Bytes that no check has noticed yet.
        if (index % 5 === 0) network.bytesRead = 6;
      }
      time += 1000;
      const shown = connections.list({ sort, order: 'desc' }).items.map(item => item[sort]);
      const values = shown.map(value => (typeof value === 'string' ? Date.parse(value) : (value ?? -1)));
      expect(values).toEqual(values.toSorted((left, right) => right - left));
    });
  });
});
