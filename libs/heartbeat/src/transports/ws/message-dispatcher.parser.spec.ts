import { beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { HeartbeatEvents } from '../../connection/heartbeat.events.js';
import { SystemClock } from '../../base/clock.js';
import type { Connection } from '../../connection/connection.js';
import { NodeState } from '../../node/node-state.js';
import type { InboundService } from '../../flow/inbound.service.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { type Handlers, MessageDispatcher, type MessageParser } from './message-dispatcher.js';
import { RoutingTable } from './routing-table.js';
import { transportOf } from '../../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

describe('MessageDispatcher with the app’s own parser', () => {
  let sent: unknown[];
  let handled: unknown[][];
  let connection: Connection;
  let handlers: Handlers;
  let dispatcher: MessageDispatcher;

  beforeEach(() => {
    sent = [];
    handled = [];
    const routes = new RoutingTable();
    routes.learn(0, [{ message: 'ask' }, { message: 7 }]);
    const handler = async (...args: unknown[]) => void handled.push(args);
    handlers = { routes, handlers: [handler, handler] };
    const transport = transportOf({ send: data => sent.push(data) });
    connection = {
      id: 'node.1',
      transport,
      admits: () => true,
      countReceived: () => undefined,
    } as unknown as Connection;
    const node = new NodeState(resolveOptions(), new SystemClock());
    const inbound = {
      admit: () => true,
      mayTake: () => true,
      run: (_: Connection, work: () => Promise<void>) => void work(),
    } as unknown as InboundService;
    dispatcher = new MessageDispatcher(node, inbound, new HeartbeatEvents());
  });

  const receive = (parse: MessageParser, data: Buffer, isBinary = false) =>
    dispatcher.dispatch(connection, handlers, { data, isBinary }, parse);

  it('passes text as a string and bytes as a buffer', () => {
    const seen: unknown[] = [];
    const parse = (data: unknown) => void seen.push(data);
    receive(parse, Buffer.from('grüß'));
    receive(parse, Buffer.from([1, 2]), true);
    expect(seen).toEqual(['grüß', Buffer.from([1, 2])]);
  });

  it('passes its result to the handlers', () => {
    receive(data => ({ event: 'ask', data }), Buffer.from('a'));
    receive(() => ({ event: 7, data: 'b' }), Buffer.from('x'));
    expect(handled).toEqual([
      ['a', 'ask'],
      ['b', 7],
    ]);
  });

  it.each<[string, MessageParser]>([
    ['nothing', () => undefined],
    ['null', () => null as unknown as undefined],
    ['an event without a handler', () => ({ event: 'shout' })],
    ['an event that cannot be shown', () => ({ event: { toString: 0 } })],
    [
      'an error',
      () => {
        throw new Error('parser');
      },
    ],
    [
      'an error that cannot be shown',
      () => {
        throw Object.create(null);
      },
    ],
  ])('drops a message silently where it returns or throws %s', (_what, parse) => {
    expect(() => receive(parse, Buffer.from('x'))).not.toThrow();
    expect([handled, sent]).toEqual([[], []]);
  });
});
