import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';
import { config, NEVER, of, Subject, throwError } from 'rxjs';

import type { ConnectionService } from '../../connection/connection.service.js';
import type { Connection } from '../../connection/connection.js';
import { NodeState } from '../../node/node-state.js';
import type { MessageHandler } from './socket-listeners.js';
import type { InboundService } from '../../flow/inbound.service.js';
import { HeartbeatEvents } from '../../connection/heartbeat.events.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { MessageDispatcher } from './message-dispatcher.js';
import type { RawMessage, Take } from '../../flow/message-queue.js';
import { RoutingTable } from './routing-table.js';
import { wireNode } from '../../../../../test/support/servers/wire-node.js';
import { transportOf } from '../../../../../test/support/servers/fake-transport.js';

Logger.overrideLogger(false);

/** A socket that records sent messages. */
class FakeSocket {
  readonly OPEN = 1;
  readyState = 1;
  readonly bufferedAmount = 0;
  handlers: MessageHandler[] = [];
  routes: RoutingTable | undefined = new RoutingTable();
  readonly sent: unknown[] = [];

  send(text: string): void {
    this.sent.push(text === '' ? text : JSON.parse(text));
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve));
const text = (message: unknown) => Buffer.from(JSON.stringify(message));

describe('MessageDispatcher', () => {
  let connections: ConnectionService;
  let connection: Connection;
  let socket: FakeSocket;
  let dispatcher: MessageDispatcher;
  /** The handlers that were started. */
  let runs: Promise<void>[];
  let time: number;
  let isAdmitted: boolean;
  let mayTake: boolean;
  let isSuspended: boolean;
  /** Messages that wait for their turn. */
  let waiting: { message: RawMessage; take: Take }[];

  beforeEach(() => {
    [time, isAdmitted, mayTake, waiting] = [5000, true, true, []];
    const clock = { now: () => time, wallTime: (moment: number) => new Date(moment) };
    const node = new NodeState(resolveOptions(), clock);
    connections = wireNode(node).connections;
    socket = new FakeSocket();
    connection = connections.open({
      transport: transportOf(socket),
      path: '/ws',
      ip: '10.0.0.1',
      userAgent: null,
      identity: null,
    });
    runs = [];
    isSuspended = false;
    const inbound = {
      admit: () => isAdmitted,
      mayTake: () => mayTake,
      isSuspended: () => isSuspended,
      wait: (_connection: Connection, message: RawMessage, take: Take) => waiting.push({ message, take }) > 0,
      run: (_connection: Connection, handler: () => Promise<void>) => void runs.push(handler()),
    };
    dispatcher = new MessageDispatcher(node, inbound as unknown as InboundService, new HeartbeatEvents());
  });

  /** Binds a handler to an event, as Nest does for each client. */
  function on(event: unknown, handler: (data: unknown, event: unknown) => unknown): void {
    socket.routes?.learn(socket.handlers.length, [{ message: event }]);
    socket.handlers.push(async (data, name) => handler(data, name));
  }

  /** A message arrives. Resolves when its handlers have ended. */
  async function receive(data: Buffer, isBinary = false): Promise<void> {
    dispatcher.dispatch(connection, socket, { data, isBinary }, undefined);
    await Promise.all(runs);
    await turn();
  }

  afterEach(() => {
    config.onUnhandledError = null;
  });

  it('passes a message to its handler, and sends the answer', async () => {
    on('echo', (data, event) => ({ event: 'echoed', data: [data, event] }));
    await receive(text({ event: 'echo', data: { a: 1 } }));
    expect(socket.sent).toEqual([{ event: 'echoed', data: [{ a: 1 }, 'echo'] }]);
    expect(connection).toMatchObject({ messagesIn: 1, messagesOut: 1, lastMessageAt: 5000 });
  });

  it('passes a message to every handler of its event, in the order of their binding', async () => {
    const order: string[] = [];
    for (const [event, name] of [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ])
      on(event, () => void order.push(name!));
    await receive(text({ event: 'a' }));
    expect([order, socket.sent]).toEqual([['1', '3'], []]);
  });

  it.each<[string, () => unknown, unknown[]]>([
    ['nothing', () => undefined, []],
    ['null', () => null, []],
    ['a promise', () => Promise.resolve('later'), ['later']],
    ['zero', () => 0, [0]],
    ['a function, which JSON does not know', () => () => 'called', ['']],
    ['an observable of one', () => of('one'), ['one']],
    ['an observable of many', () => of('one', undefined, null, 'two'), ['one', 'two']],
    ['a promise of an observable', () => Promise.resolve(of('one')), ['one']],
    ['an observable that fails', () => throwError(() => new Error('stream')), []],
  ])('sends the answer %s', async (_what, answer, sent) => {
    on('ask', answer);
    await receive(text({ event: 'ask' }));
    expect(socket.sent).toEqual(sent);
  });

  it('sends no answer to a socket that is closing', async () => {
    on('ask', () => 'late');
    socket.readyState = 2;
    await receive(text({ event: 'ask' }));
    await receive(text({ event: 'unknown' }));
    await receive(Buffer.from('no JSON'));
    expect(socket.sent).toEqual([]);
  });

  it('ends a stream of answers with the connection', async () => {
    const stream = new Subject<string>();
    on('subscribe', () => stream);
    await receive(text({ event: 'subscribe' }));
    stream.next('first');
    expect([socket.sent, stream.observed]).toEqual([['first'], true]);
    connections.closed(connection, 1000, '');
    expect(stream.observed).toBe(false);
  });

  it('subscribes to no more streams of answers than allowed at once', async () => {
    const streams: Subject<string>[] = [];
    on('subscribe', () => {
      streams.push(new Subject());
      return streams.at(-1);
    });
    for (let count = 0; count < 66; count++) await receive(text({ event: 'subscribe' }));
    expect(streams.filter(({ observed }) => observed)).toHaveLength(64);
    const refusal = { event: 'exception', data: { status: 'error', message: expect.stringContaining('64 streams') } };
    expect([socket.sent, connection.lifetime?.streams]).toEqual([[refusal, refusal], 64]);
    // A stream that ends makes space for another, regardless of its end.
    streams[0]!.complete();
    streams[1]!.error(new Error('stream'));
    expect(connection.lifetime?.streams).toBe(62);
    for (let count = 0; count < 3; count++) await receive(text({ event: 'subscribe' }));
    expect([streams.filter(({ observed }) => observed).length, connection.lifetime?.streams]).toEqual([64, 64]);
    connections.closed(connection, 1000, '');
    expect([streams.filter(({ observed }) => observed).length, connection.lifetime]).toEqual([0, null]);
  });

  const loop: { self?: unknown } = {};
  loop.self = loop;

  it.each<[string, () => unknown]>([
    [
      'throws an error',
      () => {
        throw new Error('handler');
      },
    ],
    [
      'throws a text',
      () => {
        throw 'text';
      },
    ],
    [
      'throws nothing',
      () => {
        throw undefined;
      },
    ],
    [
      'throws an object without a prototype',
      () => {
        throw Object.create(null);
      },
    ],
    [
      'throws a value that cannot be shown',
      () => {
        throw { toString: 0 };
      },
    ],
    ['rejects', () => Promise.reject(new Error('handler'))],
    ['returns a bigint', () => 5n],
    ['returns an object that contains itself', () => loop],
    ['returns a stream that fails with a value that cannot be shown', () => throwError(() => ({ toString: 0 }))],
    ['returns a stream of a bigint', () => of(5n)],
    ['returns a stream of an object that contains itself', () => of(loop)],
  ])('survives a handler that %s', async (_what, handler) => {
    const unhandled: unknown[] = [];
    // Without this, an unhandled error of a stream would end the process.
    config.onUnhandledError = error => unhandled.push(error);
    on('ask', handler);
    expect(() =>
      dispatcher.dispatch(connection, socket, { data: text({ event: 'ask' }), isBinary: false }, undefined),
    ).not.toThrow();
    expect((await Promise.allSettled(runs)).map(({ status }) => status)).toEqual(['fulfilled']);
    await new Promise(resolve => setTimeout(resolve));
    expect(unhandled).toEqual([]);
  });

  it.each([
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['a number', '5'],
    ['null', 'null'],
    ['a text', '"event"'],
    ['a list', '["event"]'],
    ['no event', '{"data":1}'],
    ['half a message', '{"event":"ask"'],
  ])('responds to %s with the form of a message', async (_what, data) => {
    on('ask', () => 'never');
    await receive(Buffer.from(data));
    const message = 'The message is not JSON of the form {"event": "<name>", "data": <any>}.';
    expect(socket.sent).toEqual([{ event: 'exception', data: { status: 'error', message } }]);
  });

  it.each<[string, unknown, string]>([
    ['an unknown name', 'shout', '"shout"'],
    ['the name of a property of every object', 'constructor', '"constructor"'],
    ['a long name, cut', 'x'.repeat(500), `"${'x'.repeat(64)}"`],
    ['a name of two lines, on one', 'a\nb', String.raw`"a\nb"`],
    ['a number', 5, '"5"'],
    ['null', null, '"null"'],
    ['an object', {}, ''],
    ['an object that cannot be shown', { toString: 0 }, ''],
    ['a list that cannot be shown', [{ toString: 0, valueOf: 0 }], ''],
  ])('responds to an event that is %s with the known ones', async (_what, event, shown) => {
    on('ask', () => 'never');
    on('tell', () => 'never');
    await expect(receive(text({ event }))).resolves.toBeUndefined();
    const message = expect.stringMatching(/^No handler for the event .*\. Known events: ask, tell\.$/);
    expect(socket.sent).toEqual([{ event: 'exception', data: { status: 'error', message } }]);
    expect(JSON.stringify(socket.sent)).toContain(JSON.stringify(shown).slice(1, -1));
  });

  it('keeps a message until its turn, counts it once, and marks the peer alive when it arrived', async () => {
    on('echo', data => data);
    mayTake = false;
    await receive(text({ event: 'echo', data: 1 }));
    await receive(text({ event: 'echo', data: 2 }));
    expect([socket.sent, connection.messagesIn, connection.pulse.lastSeenAt]).toEqual([[], 0, 5000]);
    expect(waiting.map(({ message }) => message.data.length)).toEqual([25, 25]);
    expect(connections.detail(connection.id)?.lastMessageAt).toBeNull();
    time = 5300;
    for (const { message, take } of waiting) take(message, time);
    await Promise.all(runs);
    expect([socket.sent, connection.messagesIn, connection.lastMessageAt]).toEqual([[1, 2], 2, 5300]);
  });

  it('answers the application heartbeat of a suspended connection, and keeps its other messages', async () => {
    on('echo', data => data);
    [mayTake, isSuspended] = [false, true];
    await receive(text({ event: 'echo', data: 1 }));
    await receive(text({ event: 'heartbeat', data: { sentAt: 7 } }));
    await receive(Buffer.from('no JSON'));
    await receive(text({ event: 'heartbeat', data: 'x'.repeat(256) }));
    expect(socket.sent).toEqual([{ event: 'heartbeat', data: expect.objectContaining({ sentAt: 7 }) }]);
    expect([waiting.length, connection.messagesIn]).toEqual([3, 0]);
  });

  it('handles no message above the rate', async () => {
    on('echo', data => data);
    isAdmitted = false;
    await receive(text({ event: 'echo', data: 1 }));
    expect([socket.sent, waiting, connection.messagesIn]).toEqual([[], [], 0]);
  });

  it('only counts messages of a socket without a gateway', async () => {
    socket.routes = undefined;
    await receive(text({ event: 'ask' }));
    expect([socket.sent, connection.messagesIn]).toEqual([[], 1]);
  });

  it('has no timeout: an endless stream is not awaited', async () => {
    on('ask', () => NEVER);
    await receive(text({ event: 'ask' }));
    expect(socket.sent).toEqual([]);
  });
});
