import { beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { type EventPayload, HeartbeatEvents } from './heartbeat.events.js';
import type { HeartbeatOptions } from '../options/heartbeat.options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { ConnectionService } from './connection.service.js';
import { NodeState } from '../node/node-state.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';
import { connectionView } from './listing/connection-view.js';

Logger.overrideLogger(false);

class FakeSocket {
  readonly sent: unknown[] = [];
  readonly closed: unknown[][] = [];
  bufferedAmount = 0;

  send(data: unknown, callback?: () => void): void {
    this.sent.push(data);
    callback?.();
  }

  close(...how: unknown[]): void {
    this.closed.push(how);
  }
}

const typesOf = (told: readonly EventPayload[]) => told.map(({ type }) => type);

describe('ConnectionService', () => {
  let time: number;
  let wallClock: number;
  let node: NodeState;
  let connections: ConnectionService;
  let events: EventPayload[];

  function start(options: HeartbeatOptions = {}): void {
    time = 1000;
    wallClock = 1_700_000_000_000;
    events = [];
    const clock = { now: () => time, wallTime: (moment: number) => new Date(wallClock + moment) };
    node = new NodeState(resolveOptions(options), clock);
    const stream = new HeartbeatEvents();
    stream.stream.subscribe(event => events.push(unstamped(event)));
    connections = wireNode(node, stream).connections;
  }

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

  beforeEach(() => start());

  describe('ids', () => {
    it('contain the node’s id, are unique, and increase with each opening', () => {
      const ids = Array.from({ length: 100 }, () => open().id);
      expect(ids.every(id => id.startsWith(`${node.id}.`))).toBe(true);
      expect(new Set(ids).size).toBe(100);
      expect(ids.toSorted()).toEqual(ids);
    });

    it('identify their connection', () => {
      const [{ connection }, other] = [open(), open()];
      expect([connections.get(connection.id), connections.get(other.id)]).toEqual([connection, other.connection]);
    });

    it.each<[string, (id: string) => string]>([
      ['of no connection', id => id.replace(/.$/, 'z')],
      ['of another node', id => `other-${id}`],
      ['cut short', id => id.slice(0, -1)],
      ['with more text after it', id => `${id}0`],
      ['in capitals', id => id.replace(/.{8}$/, '0000000A')],
      ['with a sign', id => id.replace(/.{8}$/, '+0000001')],
      ['with a blank', id => id.replace(/.{8}$/, '       1')],
      ['empty', () => ''],
      ['the id of the node', id => id.split('.', 1)[0] ?? ''],
    ])('find no connection when they are %s', (_what, change) => {
      const { id } = open();
      expect(connections.get(change(id))).toBeUndefined();
    });

    it('of another start of the same node find no connection', () => {
      const { id } = open();
      start();
      open();
      expect(connections.get(id)).toBeUndefined();
    });
  });

  it('creates no events of openings and closings without a subscriber', () => {
    const unheard = new HeartbeatEvents();
    const announce = jest.spyOn(unheard, 'announce');
    connections = wireNode(node, unheard).connections;
    const { connection } = open();
    connections.closed(connection, 1000, '');
    expect([connections.count, announce.mock.calls]).toEqual([0, []]);
  });

  it('publishes the opening', () => {
    const { id } = open();
    expect(events).toEqual([{ type: 'opened', id, path: '/ws', ip: '10.0.0.1' }]);
  });

  describe('closed', () => {
    it('removes a connection once, from all indexes', () => {
      const { connection, id } = open({ userId: 'ann' });
      const disposer = jest.fn();
      connection.defer(disposer);
      time = 4000;
      connections.closed(connection, 1000, 'done');
      connections.closed(connection, 1006, '');
      expect(connections.count).toBe(0);
      expect([connections.get(id), connections.findByUser('ann'), connections.findByIp('10.0.0.1')]).toEqual([
        undefined,
        [],
        [],
      ]);
      expect([connection.ended, connections.has(connection)]).toEqual([true, false]);
      expect(disposer).toHaveBeenCalledTimes(1);
      expect(typesOf(events)).toEqual(['opened', 'closed']);
      expect(events[1]).toMatchObject({
        code: 1000,
        reason: 'done',
        by: 'client',
        durationMs: 3000,
        connection: { id },
      });
      expect(connections.closedHistory()).toHaveLength(1);
      expect(connections.history.get(id)).toMatchObject({ id, code: 1000, closedBy: 'client', durationMs: 3000 });
    });

    it.each([
      ['the client, by its own code', 4321, 'bye', 'client', 'bye'],
      ['the client, without a code', 1005, '', 'client', ''],
      ['the network, without a close frame', 1006, '', 'network', 'connection lost'],
    ])('is attributed to %s', (_what, code, reason, by, told) => {
      connections.closed(open().connection, code, reason);
      expect(events.at(-1)).toMatchObject({ type: 'closed', code, by, reason: told });
    });

    it('is attributed to the side that began it, regardless of the answer of the peer', () => {
      const { connection } = open();
      connection.close(4001, 'idle');
      connections.closed(connection, 1006, '');
      expect(events.at(-1)).toMatchObject({ type: 'closed', code: 4001, reason: 'idle', by: 'server' });
    });

    it.each<[string, unknown]>([
      ['an error', new Error('e')],
      ['a text', 'text'],
      ['null', null],
      ['nothing', undefined],
      ['a symbol', Symbol('s')],
      ['an object without a prototype', Object.create(null)],
      ['an object that cannot be shown', { toString: 0 }],
    ])('continues after a disposer that fails with %s', (_what, thrown) => {
      const { connection } = open();
      const first = jest.fn();
      connection.defer(first);
      connection.defer(() => {
        throw thrown;
      });
      expect(() => connections.closed(connection, 1000, '')).not.toThrow();
      // A rejection is handled by the same code; an error thrown there would end the process.
      expect(() => connections.failed(connection, 'a disposer', thrown)).not.toThrow();
      expect(first).toHaveBeenCalledTimes(1);
      expect([connection.signal.aborted, typesOf(events)]).toEqual([true, ['opened', 'closed']]);
    });
  });

  it('keeps the configured number of closed connections, newest first', () => {
    start({ closedHistory: 2 });
    const ids = Array.from({ length: 3 }, () => {
      const { connection, id } = open();
      connections.closed(connection, 1000, '');
      return id;
    });
    expect(connections.closedHistory().map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    expect(connections.history.get(ids[0]!)).toBeUndefined();
  });

  it.each([
    ['short', 'short'],
    ['x'.repeat(200), 'x'.repeat(200)],
    ['x'.repeat(100_000), `${'x'.repeat(200)}…`],
  ])('keeps at most 200 characters of a reason of the application', (reason, kept) => {
    const { connection } = open();
    connection.close(4321, reason);
    connections.closed(connection, 4321, '');
    expect(connections.closedHistory()[0]).toMatchObject({ code: 4321, reason: kept, closedBy: 'server' });
  });

  it('lists the kept ones in pages', () => {
    const ids = Array.from({ length: 4 }, () => open().id);
    for (const id of ids) connections.closed(connections.get(id)!, 1000, '');
    const pages = [{ limit: 2 }, { limit: 2, after: ids[2]! }, { after: ids[0]! }, { after: `other-${ids[3]}` }];
    expect(pages.map(page => connections.closedHistory(page).map(({ id }) => id))).toEqual([
      [ids[3], ids[2]],
      [ids[1], ids[0]],
      [],
      [],
    ]);
  });

  it.each([0, -1, 1.5, Number.NaN])('rejects a limit of %p for the page of closed connections', limit => {
    expect(() => connections.closedHistory({ limit })).toThrow(
      expect.objectContaining({
        code: 'HEARTBEAT_BAD_QUERY',
        message: `limit is ${limit} but must be a whole number from 1`,
      }),
    );
  });

  it('publishes and keeps the same view of a closed connection, as of its close', () => {
    const { connection, network, id } = open({ userId: 'ann' });
    Object.assign(network, { bytesRead: 70, bytesWritten: 30 });
    connection.countReceived(2000);
    connection.pulse.ponged(2000);
    connection.pulse.measured(12.5);
    node.stalls.add(700, 800, 2300);
    time = 2500.75;
    connection.note({ kind: 'kicked', by: 'ann' });
    const { labels } = connection;
    connections.closed(connection, 4000, 'bye');
    // Later bytes, notes and steps of the wall clock change nothing.
    Object.assign(network, { bytesRead: 99, bytesWritten: 99 });
    connection.note({ kind: 'incomplete' });
    wallClock += 3_600_000;
    time = 9000;
    const [remembered] = connections.closedHistory();
    expect(remembered).toEqual({
      id,
      node: node.id,
      path: '/ws',
      ip: '10.0.0.1',
      userId: 'ann',
      labels,
      state: 'closing',
      openedAt: '2023-11-14T22:13:21.000Z',
      lastSeenAt: '2023-11-14T22:13:22.000Z',
      lastMessageAt: '2023-11-14T22:13:22.000Z',
      rttMs: 12.5,
      missedPongs: 0,
      bufferedBytes: 0,
      messagesIn: 1,
      messagesOut: 0,
      bytesIn: 70,
      bytesOut: 30,
      userAgent: 'jest',
      appHeartbeat: false,
      transport: 'ws',
      busy: 0,
      closedAt: '2023-11-14T22:13:22.500Z',
      durationMs: 1500,
      code: 4000,
      reason: 'bye',
      closedBy: 'client',
      verdict:
        'The client closed it itself with 4000 and the reason "bye" at 2023-11-14T22:13:22.500Z; the server itself was stalled for 700 ms until 2023-11-14T22:13:22.300Z.',
      flight: [
        { at: '2023-11-14T22:13:21.000Z', what: 'opened', kind: 'opened' },
        {
          at: '2023-11-14T22:13:21.500Z',
          what: 'the server was stalled for 700 ms',
          kind: 'stall',
          stalledMs: 700,
        },
        {
          at: '2023-11-14T22:13:22.000Z',
          what: '1 ping answered; round trip 12.5 ms, from 12.5 to 12.5 ms, 12.5 ms on average',
          kind: 'pings',
          answered: 1,
          lastMs: 12.5,
          minMs: 12.5,
          maxMs: 12.5,
          meanMs: 12.5,
        },
        { at: '2023-11-14T22:13:22.500Z', what: 'kicked by ann', kind: 'kicked', by: 'ann' },
        {
          at: '2023-11-14T22:13:22.500Z',
          what: 'closed with 4000 "bye" by the client',
          kind: 'closed',
          code: 4000,
          reason: 'bye',
          by: 'client',
        },
      ],
    });
    expect(connections.history.get(id)).toEqual(remembered);
    expect(events.at(-1)).toEqual({
      type: 'closed',
      connection: connectionView.parse(remembered),
      code: 4000,
      reason: 'bye',
      by: 'client',
      durationMs: 1500,
    });
    expect(node.totals.closed).toMatchObject({ bytesIn: 70, bytesOut: 30 });
  });

  it.each([
    [100, 95, true],
    [100, 94, false],
    [20, 19, true],
    [20, 18, false],
    [1, 0, false],
    [10_000, 9500, true],
    [10_000, 9499, false],
  ])('of a limit of %d, with %d left after it was full, is still at capacity: %p', (maxConnections, left, expected) => {
    start({ limits: { maxConnections } });
    const all = Array.from({ length: maxConnections - 1 }, () => open().connection);
    expect(node.atCapacity).toBe(false);
    all.push(open().connection);
    expect(node.atCapacity).toBe(true);
    for (const connection of all.slice(left)) connections.closed(connection, 1000, '');
    expect(node.atCapacity).toBe(expected);
  });

  it('is at capacity again only when it is full again', () => {
    start({ limits: { maxConnections: 20 } });
    const all = Array.from({ length: 20 }, () => open().connection);
    for (const connection of all.slice(0, 2)) connections.closed(connection, 1000, '');
    open();
    expect(node.atCapacity).toBe(false);
    open();
    expect(node.atCapacity).toBe(true);
  });
});
