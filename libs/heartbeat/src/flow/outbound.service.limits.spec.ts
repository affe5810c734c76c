import { describe, expect, it, jest } from '@jest/globals';

import type { Connection } from '../connection/connection.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { NodeState } from '../node/node-state.js';
import { transmit } from '../connection/sending.js';
import { resolveOptions } from '../options/resolve-options.js';
import { knownFlowOf } from './flow-record.js';
import { PIECE_BYTES } from './waiting-pieces.js';
import { unstamped } from '../../../../test/support/assert/unstamped.js';
import { transportOf } from '../../../../test/support/servers/fake-transport.js';
import { wireNode } from '../../../../test/support/servers/wire-node.js';

const piecesOf = (connection: Connection) => knownFlowOf(connection)?.waitingPieces(connection.channel) ?? 0;

describe('the limit of waiting messages', () => {
  it.each([
    ['close', { code: 4003, reason: 'slow consumer', by: 'server' }],
    ['drop-newest', null],
  ] as const)('is enforced by the policy %s', (policy, closing) => {
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    const backpressure = { maxBufferedBytes: 70_000, policy };
    const node = new NodeState(resolveOptions({ backpressure }), clock);
    const events = new HeartbeatEvents();
    const slow: unknown[] = [];
    events.stream.subscribe(event => event.type === 'slow' && slow.push(unstamped(event)));
    const socket = { bufferedAmount: 69_000, close: () => undefined };
    const connection = wireNode(node, events).connections.open({
      transport: transportOf(socket),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
    expect([connection.admits('message', 1000), connection.closing, slow]).toEqual([true, null, []]);
    expect(connection.admits('message', 1001)).toBe(false);
    expect(slow).toEqual([{ type: 'slow', id: connection.id, bufferedBytes: 69_000, why: 'limit' }]);
    expect([connection.closing, connection.messagesOut, node.totals.messagesOut]).toEqual([closing, 1, 1]);
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
      transport: transportOf(socket, network),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
    for (let message = 0; message < 4096; message++) expect(connection.admits('message', 0)).toBe(true);
    expect([connection.admits('message', 0), connection.closing, piecesOf(connection)]).toEqual([false, closing, 4096]);
    // Bytes that the network has taken free space.
    network.writableLength = socket.bufferedAmount = 0;
    expect([connection.admits('message', 0), piecesOf(connection)]).toEqual([true, 0]);
  });

  it.each([
    ['close', 1],
    ['drop-newest', 3],
  ] as const)(
    'is reported by the policy %s this many times, for three messages above the limit: %d',
    (policy, told) => {
      const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
      const node = new NodeState(resolveOptions({ backpressure: { policy } }), clock);
      const events = new HeartbeatEvents();
      const slow: unknown[] = [];
      events.stream.subscribe(event => event.type === 'slow' && slow.push(unstamped(event)));
      const socket = {
        bufferedAmount: node.options.backpressure.maxBufferedBytes,
        send: () => undefined,
        close: () => undefined,
      };
      const connection = wireNode(node, events).connections.open({
        transport: transportOf(socket),
        path: '/ws',
        ip: '10.0.0.1',
        userAgent: null,
        identity: null,
      });
      connection.appHeartbeat = true;
      for (let turn = 0; turn < 3; turn++) transmit(connection, 'message', 'hello');
      expect([slow.length, node.totals.messagesOut]).toEqual([told, 0]);
    },
  );

  it('counts messages by more than their bytes where others wait: many small ones cause a sum of all backlogs', () => {
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    const node = new NodeState(resolveOptions({ backpressure: { maxTotalBufferedBytes: 20 * PIECE_BYTES } }), clock);
    const { connections, outbound } = wireNode(node);
    const check = jest.spyOn(outbound, 'check');
    const connection = connections.open({
      transport: transportOf({ bufferedAmount: 2 }, { bytesWritten: 2, writableLength: 2 }),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
    for (let message = 0; message < 20; message++) connection.admits('message', 0);
    expect(check).not.toHaveBeenCalled();
    connection.admits('message', 0);
    expect(check).toHaveBeenCalledTimes(1);
  });
});
