import { beforeEach, describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { Logger } from '@nestjs/common';

import { heapBytesOf } from '../../../../../test/support/assert/heap-bytes.js';
import type { ConnectionService } from '../../connection/connection.service.js';
import type { Connection } from '../../connection/connection.js';
import { NodeState } from '../../node/node-state.js';
import type { InboundService } from '../../flow/inbound.service.js';
import { type EventPayload, HeartbeatEvents } from '../../connection/heartbeat.events.js';
import type { HeartbeatOptions } from '../../options/heartbeat.options.js';
import type { HeartbeatService } from '../../liveness/heartbeat.service.js';
import { resolveOptions } from '../../options/resolve-options.js';
import { NO_PARAMS } from '../../base/path-params.js';
import { HeartbeatGateway } from './heartbeat.gateway.js';
import type { MessageDispatcher, MessageParser } from './message-dispatcher.js';
import type { SocketListeners } from './socket-listeners.js';
import { TrackedSocket } from './tracked-socket.js';
import { KINDS } from './transport-kinds.js';
import { wireNode } from '../../../../../test/support/servers/wire-node.js';
import { unstamped } from '../../../../../test/support/assert/unstamped.js';

Logger.overrideLogger(false);

class FakeSocket extends EventEmitter {
  tracked: Connection | undefined;
  #network: Socket | undefined;
  ownListeners: SocketListeners | undefined;
  override emit = TrackedSocket.prototype.emit;
  disconnectCallbacks: ((code: number) => void)[] = [];
  readonly closed: [number, string][] = [];

  readonly isOpen = true;
  readonly kind = KINDS.ws;

  get bytesRead(): number {
    return this.#network!.bytesRead;
  }
  get bytesTaken(): number {
    return this.#network!.bytesWritten;
  }

  attach(network: Socket): void {
    this.#network = network;
  }

  track(connection: Connection): void {
    this.tracked = connection;
  }

  forget(): void {
    this.tracked = undefined;
  }

  shut(code: number, reason: string): void {
    this.closed.push([code, reason]);
  }
}

function requestWith(headers: Record<string, string>): IncomingMessage {
  const socket = {
    remoteAddress: '::ffff:10.0.0.1',
    bytesRead: 300,
    bytesWritten: 130,
    isPaused: () => false,
  };
  return { headers, socket } as unknown as IncomingMessage;
}

const admitted = { ip: '10.0.0.1', identity: null, deferred: false };

describe('HeartbeatGateway', () => {
  let node: NodeState;
  let connections: ConnectionService;
  let gateway: HeartbeatGateway;
  /** Calls of the services, in order. */
  let called: unknown[][];
  /** The number of connections at each end of a rest. */
  let openAtWake: number[];
  let parser: MessageParser | undefined;
  /** Whether the last pong answers a ping of the server. */
  let wasAsked: boolean;
  let announced: EventPayload[];

  function start(options: HeartbeatOptions = {}): void {
    called = [];
    openAtWake = [];
    announced = [];
    parser = undefined;
    wasAsked = true;
    const clock = { now: () => 1000, wallTime: (moment: number) => new Date(moment) };
    node = new NodeState(resolveOptions(options), clock);
    const events = new HeartbeatEvents();
    events.stream.subscribe(event => event.type === 'message-refused' && announced.push(unstamped(event)));
    const wired = wireNode(node, events);
    ({ connections } = wired);
    const heartbeat = {
      wake: () => openAtWake.push(connections.count),
      watch: (connection: Connection) => called.push(['watch', connection]),
      ponged: (connection: Connection) => (called.push(['ponged', connection]), wasAsked),
    };
    const inbound = { pinged: (connection: Connection) => called.push(['pinged', connection]) };
    const dispatcher = { dispatch: (...args: unknown[]) => called.push(['dispatch', ...args]) };
    gateway = new HeartbeatGateway(
      node,
      connections,
      heartbeat as unknown as HeartbeatService,
      inbound as unknown as InboundService,
      dispatcher as unknown as MessageDispatcher,
      events,
      wired.bans,
    );
  }

  beforeEach(() => start());

  function open(headers: Record<string, string> = {}, listeners = gateway.listeners(() => parser)) {
    const socket = new FakeSocket();
    gateway.opened(
      socket as unknown as TrackedSocket,
      { request: requestWith(headers), path: '/chat', params: NO_PARAMS, admitted },
      listeners,
    );
    return { socket, connection: socket.tracked! };
  }

  it('turns a socket into a connection, adds it to the registry and watches it', () => {
    const { connection } = open({ 'user-agent': 'jest' });
    expect(connections.get(connection.id)).toBe(connection);
    expect(connection).toMatchObject({ path: '/chat', ip: '10.0.0.1', userAgent: 'jest', userId: null, bytesIn: 0 });
    expect([called, openAtWake]).toEqual([[['watch', connection]], [0]]);
  });

  it('keeps no more than 256 characters of a user agent', () => {
    const { connection } = open({ 'user-agent': 'x'.repeat(300) });
    expect(connection.userAgent).toBe('x'.repeat(256));
    expect(open().connection.userAgent).toBeNull();
  });

  it('keeps no other part of a long user agent in memory', () => {
    expect(heapBytesOf(long => open({ 'user-agent': long }).connection.userAgent)).toBeLessThan(5000);
  });

  it('sets the same functions on every socket, and adds no listeners', () => {
    const listeners = gateway.listeners(() => parser);
    const sockets = [open({}, listeners).socket, open({}, listeners).socket];
    expect(sockets.map(({ ownListeners }) => ownListeners)).toEqual([listeners, listeners]);
    expect(sockets.flatMap(socket => socket.eventNames())).toEqual([]);
  });

  it.each([
    [true, 1001, [[1001, expect.stringMatching(/^server is going away; retry-after=\d+$/)]]],
    [true, 1012, [[1012, expect.stringMatching(/^server is going away; retry-after=\d+$/)]]],
    [false, 1001, []],
  ] as const)(
    'with admission closed: %p closes each handshake in progress with %d',
    (admissionClosed, closeCode, closed) => {
      start({ drain: { closeCode } });
      node.draining = true;
      node.admissionClosed = admissionClosed;
      expect(open().socket.closed).toEqual(closed);
    },
  );

  it('passes messages to the dispatcher, with the current parser', () => {
    const { socket, connection } = open();
    const data = Buffer.from('a');
    socket.emit('message', data, false);
    parser = () => undefined;
    socket.emit('message', data, true);
    expect(called.slice(1)).toEqual([
      ['dispatch', connection, socket, { data, isBinary: false }, undefined],
      ['dispatch', connection, socket, { data, isBinary: true }, parser],
    ]);
  });

  it('passes pongs to the heartbeat, and errors to the flight record', () => {
    const { socket, connection } = open();
    socket.emit('pong', Buffer.alloc(0));
    socket.emit('error', new Error('bad frame'));
    expect(called.slice(1)).toEqual([['ponged', connection]]);
    expect(connections.detail(connection.id)?.flight.at(-1)?.what).toBe('protocol or network error: bad frame');
  });

  it('counts pings, and unsolicited pongs too', () => {
    const { socket, connection } = open();
    socket.emit('ping', Buffer.alloc(0));
    wasAsked = false;
    socket.emit('pong', Buffer.alloc(0));
    expect(called.slice(1)).toEqual([
      ['pinged', connection],
      ['ponged', connection],
      ['pinged', connection],
    ]);
  });

  it.each([
    ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', ['too-big']],
    ['WS_ERR_INVALID_UTF8', ['protocol']],
    ['ECONNRESET', []],
    [undefined, []],
  ])('publishes a fault of the peer’s frames, and none of the network: %s', (code, reasons) => {
    const { socket, connection } = open();
    socket.emit('error', Object.assign(new Error('fault'), { code }));
    expect(announced).toEqual(reasons.map(reason => ({ type: 'message-refused', id: connection.id, reason })));
  });

  describe('when a socket has closed', () => {
    it('removes it, notifies Nest, and releases the connection', () => {
      const { socket, connection } = open();
      const told: number[] = [];
      socket.disconnectCallbacks = [code => told.push(code), code => told.push(-code)];
      socket.emit('close', 1000, Buffer.from('bye'));
      expect([connections.count, connection.ended, socket.tracked]).toEqual([0, true, undefined]);
      expect(connections.closedHistory()[0]).toMatchObject({ code: 1000, reason: 'bye', closedBy: 'client' });
      expect(told).toEqual([1000, -1000]);
    });

    it('ignores its later events', () => {
      const { socket } = open();
      socket.emit('close', 1000, Buffer.alloc(0));
      for (const event of ['message', 'ping', 'pong', 'close']) socket.emit(event, 1000, Buffer.alloc(0));
      expect(() => socket.emit('error', new Error('late'))).not.toThrow();
      expect([called.length, connections.closedHistory().length]).toEqual([1, 1]);
    });

    it.each<[string, unknown]>([
      ['an error', new Error('hook')],
      ['nothing', undefined],
      ['an object that cannot be shown', Object.create(null)],
    ])('notifies every gateway though a hook throws %s', (_what, thrown) => {
      const { socket } = open();
      const told: number[] = [];
      socket.disconnectCallbacks = [
        () => {
          throw thrown;
        },
        code => told.push(code),
      ];
      expect(() => socket.emit('close', 1006, Buffer.alloc(0))).not.toThrow();
      expect([told, socket.tracked]).toEqual([[1006], undefined]);
    });
  });
});
