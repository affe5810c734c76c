import { beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { idleMs } from '../../connection/listing/connection-query.js';
import type { Connection } from '../../connection/connection.js';
import { NodeState } from '../../node/node-state.js';
import type { MessageHandler } from './socket-listeners.js';
import type { InboundService } from '../../flow/inbound.service.js';
import { HeartbeatEvents } from '../../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../../options/heartbeat.options.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { MessageDispatcher } from './message-dispatcher.js';
import { RoutingTable } from './routing-table.js';
import { wireNode } from '../../../../../test/support/servers/wire-node.js';
import { transportOf } from '../../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

/** A socket that records sent messages. */
class FakeSocket {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  handlers: MessageHandler[] = [];
  routes: RoutingTable | undefined = new RoutingTable();
  readonly sent: unknown[] = [];

  close(): void {}

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
}

const text = (message: unknown) => Buffer.from(JSON.stringify(message));

describe('MessageDispatcher, of the application heartbeat', () => {
  let node: NodeState;
  let connection: Connection;
  let socket: FakeSocket;
  let dispatcher: MessageDispatcher;
  /** The handlers that were started. */
  let runs: Promise<void>[];

  function start(options: HeartbeatOptions = {}): void {
    const clock = { now: () => 5000, wallTime: (moment: number) => new Date(moment) };
    node = new NodeState(resolveOptions(options), clock);
    const connections = wireNode(node).connections;
    socket = new FakeSocket();
    connection = connections.open({
      transport: transportOf(socket),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
    runs = [];
    const inbound = {
      admit: () => true,
      mayTake: () => true,
      run: (_connection: Connection, handler: () => Promise<void>) => void runs.push(handler()),
    };
    dispatcher = new MessageDispatcher(node, inbound as unknown as InboundService, new HeartbeatEvents());
  }

  /** Binds a handler to an event, as Nest does for each client. */
  function on(event: unknown, handler: (data: unknown, event: unknown) => unknown): void {
    socket.routes?.learn(socket.handlers.length, [{ message: event }]);
    socket.handlers.push(async (data, name) => handler(data, name));
  }

  /** A message arrives. Resolves when its handlers have ended. */
  async function receive(data: Buffer, isBinary = false): Promise<void> {
    dispatcher.dispatch(connection, socket, { data, isBinary }, undefined);
    await Promise.all(runs);
  }

  beforeEach(() => start());

  it.each([true, false])('answers with the values in force (a gateway handles messages: %p)', async takes => {
    const handled: unknown[] = [];
    if (takes) on('heartbeat', data => void handled.push(data));
    node.intervalMs = 31_000;
    await receive(text({ event: 'heartbeat', data: { sentAt: 1234.5 } }));
    const data = { sentAt: 1234.5, connectionId: connection.id, intervalMs: 31_000, timeoutMs: 10_000 };
    expect([socket.sent, handled, connection.appHeartbeat]).toEqual([[{ event: 'heartbeat', data }], [], true]);
  });

  it.each([[undefined], [null], ['1'], [{}], [[]]])('answers null to a sentAt of %p', async sentAt => {
    await receive(text({ event: 'heartbeat', data: { sentAt } }));
    expect(socket.sent).toEqual([{ event: 'heartbeat', data: expect.objectContaining({ sentAt: null }) }]);
  });

  it('uses the event name of the options', async () => {
    start({ heartbeat: { event: 'beat' } });
    on('heartbeat', () => 'handled');
    await receive(text({ event: 'heartbeat' }));
    await receive(text({ event: 'beat' }));
    expect(socket.sent).toEqual(['handled', { event: 'beat', data: expect.objectContaining({ intervalMs: 25_000 }) }]);
  });

  it('does not keep a connection from being idle', async () => {
    node.attendedMs = 60_000;
    await receive(text({ event: 'heartbeat', data: { sentAt: 1 } }));
    expect(socket.sent).toHaveLength(1);
    expect(idleMs(connection, 60_000)).toBe(60_000);
  });

  it('does not count as a message, neither of the connection nor of the node', async () => {
    on('ask', () => 'answer');
    await receive(text({ event: 'ask' }));
    for (let turn = 0; turn < 3; turn++) await receive(text({ event: 'heartbeat', data: { sentAt: 1 } }));
    expect([socket.sent.length, connection.messagesIn, connection.messagesOut]).toEqual([4, 1, 1]);
    expect([node.totals.messagesIn, node.totals.messagesOut]).toEqual([1, 1]);
  });

  it('does not count as a message above the limit either', async () => {
    start({ backpressure: { policy: 'drop-newest' } });
    on('ask', () => 'answer');
    await receive(text({ event: 'ask' }));
    socket.bufferedAmount = node.options.backpressure.maxBufferedBytes;
    await receive(text({ event: 'heartbeat', data: { sentAt: 1 } }));
    expect([socket.sent, connection.messagesOut, node.totals.messagesOut]).toEqual([['answer'], 1, 1]);
  });

  it('does not count the goodbye event of a close as a message', async () => {
    await receive(text({ event: 'heartbeat', data: { sentAt: 1 } }));
    connection.end({ code: 1001, reason: 'going away', by: 'server' }, { kind: 'drained', reason: null }, 10);
    expect(socket.sent.at(-1)).toMatchObject({ event: 'goodbye' });
    expect([connection.messagesOut, node.totals.messagesOut]).toEqual([0, 0]);
  });

  it.each<[string, Buffer, boolean]>([
    ['text', Buffer.from('hello'), false],
    ['bytes', Buffer.from([1, 2, 3]), true],
    ['JSON', text({ event: 'ask' }), false],
    ['a heartbeat in bytes', text({ event: 'heartbeat' }), true],
    ['a heartbeat too large to be one', text({ event: 'heartbeat', data: 'x'.repeat(300) }), false],
  ])('ignores %s where no gateway handles messages', async (_what, data, isBinary) => {
    await receive(data, isBinary);
    expect([socket.sent, connection.appHeartbeat, connection.messagesIn]).toEqual([[], false, 1]);
  });
});
