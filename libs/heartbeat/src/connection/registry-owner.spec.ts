import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';

import type { WebSocket } from 'ws';

import type { LimitOptions } from '../options/guard.options.js';
import { HeartbeatEvents } from './heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import type { Connection } from './connection.js';
import type { ConnectionService } from './connection.service.js';
import { NodeState } from './node-state.js';
import { PIECE_BYTES } from './waiting-pieces.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';

const ANN = { userId: 'ann' };

/** A node, and those who are there. */
class World {
  readonly node: NodeState;
  readonly connections: ConnectionService;

  constructor(limits: Partial<LimitOptions> = {}) {
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    this.node = new NodeState(resolveOptions({ limits }), clock);
    this.connections = wireNode(this.node).connections;
  }

  /** Who says at the door who it is, or is to say it later. */
  open(userId?: string): Connection & { readonly told: unknown[][] } {
    const told: unknown[][] = [];
    const connection = this.connections.open({
      socket: { close: (...how: unknown[]) => told.push(how) } as unknown as WebSocket,
      network: { bytesRead: 0, bytesWritten: 0, isPaused: () => false } as unknown as Socket,
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: userId === undefined ? null : { userId },
      deferred: userId === undefined,
    });
    return Object.assign(connection, { told });
  }
}

const codesOf = (connections: Connection[]) => connections.map(({ closing }) => closing?.code ?? null);

describe('who says only later who it is', () => {
  it('is waited for until then, and found by its user from then on', () => {
    const world = new World();
    const { connections } = world;
    const [later, other] = [world.open(), world.open()];
    expect([...connections.unidentified()]).toEqual([later, other]);
    later.identify(ANN);
    expect([[...connections.unidentified()], connections.findByUser('ann')]).toEqual([[other], [later]]);
  });

  it('is closed with 4501 and the reason of the ban that meets it', () => {
    const world = new World();
    const asked: unknown[] = [];
    world.node.banOf = (ip, userId) => (asked.push([ip, userId]), userId === 'ann' ? 'spam' : null);
    const [ann, bob] = [world.open(), world.open()];
    ann.identify(ANN);
    bob.identify({ userId: 'bob' });
    expect(asked).toEqual([
      ['10.0.0.1', 'ann'],
      ['10.0.0.1', 'bob'],
    ]);
    expect([ann.closing, bob.closing]).toEqual([{ code: 4501, reason: 'spam', by: 'operator' }, null]);
    expect(ann.told).toEqual([[4501, 'spam']]);
  });

  it.each(['refuse', 'replace-oldest'] as const)(
    'takes nobody’s place, and ends as it began to, where it is closing already: %s',
    onUserLimit => {
      const world = new World({ maxPerUser: 1, onUserLimit });
      const [first, later] = [world.open('ann'), world.open()];
      later.close(1000, 'bye');
      later.identify(ANN);
      expect([codesOf([first, later]), later.told]).toEqual([[null, 1000], [[1000, 'bye']]]);
      expect(world.connections.unidentified().size).toBe(0);
    },
  );

  it('takes no place of a user who is banned', () => {
    const world = new World({ maxPerUser: 1, onUserLimit: 'replace-oldest' });
    const first = world.open('ann');
    world.node.banOf = () => 'spam';
    const later = world.open();
    later.identify(ANN);
    expect(codesOf([first, later])).toEqual([null, 4501]);
  });

  it('is closed with 1013 and an advised delay where its user may have no more', () => {
    const world = new World({ maxPerUser: 2 });
    const [first, second, third] = [world.open('ann'), world.open(), world.open()];
    second.identify(ANN);
    expect(codesOf([first, second])).toEqual([null, null]);
    third.identify(ANN);
    expect(codesOf([first, second, third])).toEqual([null, null, 1013]);
    expect(third.told).toEqual([[1013, expect.stringMatching(/^user-limit; retry-after=\d+$/)]]);
  });

  it('replaces the oldest of its user with replace-oldest, and nobody while there is room', () => {
    const world = new World({ maxPerUser: 2, onUserLimit: 'replace-oldest' });
    const [oldest, bob, second, third] = [world.open('ann'), world.open('bob'), world.open(), world.open()];
    second.identify(ANN);
    expect(codesOf([oldest, bob, second])).toEqual([null, null, null]);
    third.identify(ANN);
    expect(codesOf([oldest, bob, second, third])).toEqual([4502, null, null, null]);
    expect(oldest.closing).toEqual({ code: 4502, reason: 'replaced by a newer connection', by: 'server' });
  });

  it.each(['refuse', 'replace-oldest'] as const)('counts once who says the same again: %s', onUserLimit => {
    const world = new World({ maxPerUser: 2, onUserLimit });
    const [first, second] = [world.open('ann'), world.open()];
    second.identify(ANN);
    for (let turn = 0; turn < 5; turn++) second.identify({ ...ANN, labels: { turn: `${turn}` } });
    expect([codesOf([first, second]), world.connections.countByUser('ann')]).toEqual([[null, null], 2]);
  });

  it('leaves its place with the user that it was', () => {
    const world = new World({ maxPerUser: 1 });
    const [first, second] = [world.open('ann'), world.open()];
    first.identify({ userId: 'bob' });
    second.identify(ANN);
    expect([codesOf([first, second]), world.connections.countByUser('ann')]).toEqual([[null, null], 1]);
  });

  it('is limited by nothing where maxPerUser is 0', () => {
    const world = new World();
    const many = Array.from({ length: 50 }, () => world.open());
    for (const connection of many) connection.identify(ANN);
    expect([new Set(codesOf(many)), world.connections.countByUser('ann')]).toEqual([new Set([null]), 50]);
  });
});

describe('who said at the door who it is', () => {
  it('replaces the oldest of its user when it is opened', () => {
    const world = new World({ maxPerUser: 2, onUserLimit: 'replace-oldest' });
    const [one, bob, two, three] = ['ann', 'bob', 'ann', 'ann'].map(userId => world.open(userId)) as Connection[];
    expect(codesOf([one!, bob!, two!, three!])).toEqual([4502, null, null, null]);
    // The one that is on its way out takes no place.
    const four = world.open('ann');
    expect(codesOf([one!, two!, three!, four])).toEqual([4502, 4502, null, null]);
  });

  it.each<[string, Partial<LimitOptions>]>([
    ['users are not limited', { onUserLimit: 'replace-oldest' }],
    ['newcomers are refused at the door', { maxPerUser: 1, onUserLimit: 'refuse' }],
  ])('replaces nobody where %s', (_what, limits) => {
    const world = new World(limits);
    expect(codesOf([world.open('ann'), world.open('ann'), world.open('ann')])).toEqual([null, null, null]);
  });
});

describe('what may be queued', () => {
  it.each([
    ['close', { code: 4003, reason: 'slow consumer', by: 'server' }],
    ['drop-newest', null],
  ] as const)('is bounded, beyond which the policy says: %s', (policy, closing) => {
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    const backpressure = { maxBufferedBytes: 70_000, policy };
    const node = new NodeState(resolveOptions({ backpressure }), clock);
    const events = new HeartbeatEvents();
    const slow: unknown[] = [];
    events.stream.subscribe(event => event.type === 'slow' && slow.push(event));
    const socket = { bufferedAmount: 69_000, close: () => undefined };
    const connection = wireNode(node, events).connections.open({
      socket: socket as unknown as WebSocket,
      network: { bytesRead: 0, bytesWritten: 0, isPaused: () => false } as unknown as Socket,
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
    expect([connection.queue(1000), connection.closing, slow]).toEqual([true, null, []]);
    expect(connection.queue(1001)).toBe(false);
    expect(slow).toEqual([{ type: 'slow', id: connection.id, bufferedBytes: 69_000, why: 'limit' }]);
    expect([connection.closing, connection.messagesOut, node.totals.messagesOut]).toEqual([closing, 1, 1]);
    // A message that waits costs more than its bytes.
    expect(node.queuedBytes).toBe(1000 + PIECE_BYTES);
  });

  it.each([
    ['close', { code: 4003, reason: 'slow consumer', by: 'server' }],
    ['drop-newest', null],
  ] as const)('is bounded in messages too, whatever their size, by the policy %s', (policy, closing) => {
    const node = new NodeState(resolveOptions({ backpressure: { policy } }), {
      now: () => 1000,
      wallTime: (moment: number) => new Date(moment),
    });
    const socket = { bufferedAmount: 2, close: () => undefined };
    const network = { bytesRead: 0, bytesWritten: 2, writableLength: 2, isPaused: () => false };
    const connection = wireNode(node).connections.open({
      socket: socket as unknown as WebSocket,
      network: network as unknown as Socket,
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
    for (let message = 0; message < 4096; message++) expect(connection.queue(0)).toBe(true);
    expect([connection.queue(0), connection.closing, connection.waitingPieces]).toEqual([false, closing, 4096]);
    // What was taken makes room.
    network.writableLength = socket.bufferedAmount = 0;
    expect([connection.queue(0), connection.waitingPieces]).toEqual([true, 0]);
  });

  it.each([
    ['close', 1],
    ['drop-newest', 3],
  ] as const)(
    'is told of by the policy %s so often, of three messages for which there was no room: %d',
    (policy, told) => {
      const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
      const node = new NodeState(resolveOptions({ backpressure: { policy } }), clock);
      const events = new HeartbeatEvents();
      const slow: unknown[] = [];
      events.stream.subscribe(event => event.type === 'slow' && slow.push(event));
      const socket = {
        bufferedAmount: node.options.backpressure.maxBufferedBytes,
        // As the tracked socket does: also the goodbye asks for room.
        send: (data: string) => void connection.queue(data.length),
        close: () => undefined,
      };
      const connection = wireNode(node, events).connections.open({
        socket: socket as unknown as WebSocket,
        network: { bytesRead: 0, bytesWritten: 0, isPaused: () => false } as unknown as Socket,
        path: '/ws',
        ip: '10.0.0.1',
        userAgent: null,
        identity: null,
      });
      connection.appHeartbeat = true;
      for (let turn = 0; turn < 3; turn++) socket.send('hello');
      expect([slow.length, node.totals.messagesOut]).toEqual([told, 0]);
    },
  );
});
