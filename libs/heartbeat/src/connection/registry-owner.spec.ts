import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';

import type { WebSocket } from 'ws';

import { HeartbeatEvents } from './heartbeat.events.js';
import { resolveOptions } from '../options/resolve-options.js';
import { NodeState } from './node-state.js';
import { PIECE_BYTES } from './waiting-pieces.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';

describe('a connection whose identification is deferred', () => {
  it('is unidentified until then, and found by its user from then on', () => {
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    const { connections } = wireNode(new NodeState(resolveOptions(), clock));
    const [later, other] = [0, 1].map(() =>
      connections.open({
        socket: {} as WebSocket,
        network: { bytesRead: 0, bytesWritten: 0, isPaused: () => false } as unknown as Socket,
        path: '/ws',
        ip: '10.0.0.1',
        userAgent: null,
        identity: null,
        deferred: true,
      }),
    );
    expect([...connections.unidentified()]).toEqual([later, other]);
    later!.identify({ userId: 'ann' });
    expect([[...connections.unidentified()], connections.findByUser('ann')]).toEqual([[other], [later]]);
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
    events.stream.subscribe(event => event.type === 'slow' && slow.push(unstamped(event)));
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
      events.stream.subscribe(event => event.type === 'slow' && slow.push(unstamped(event)));
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
