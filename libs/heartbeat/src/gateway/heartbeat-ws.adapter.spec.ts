import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';

import { type INestApplicationContext, Logger, type WsMessageHandler } from '@nestjs/common';

import { AdmissionService } from '../admission/admission.service.js';
import { BanList } from '../admission/ban-list.js';
import { ClientAddresses } from '../admission/client-addresses.js';
import type { InboundService } from '../flow/inbound.service.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import type { TrackedSocket } from '../connection/tracked-socket.js';
import { type HeartbeatEvent, HeartbeatEvents } from '../heartbeat.events.js';
import type { HeartbeatService } from '../liveness/heartbeat.service.js';
import { resolveOptions } from '../resolve-options.js';
import type { GatewayInspector } from './gateway-inspector.js';
import { HeartbeatGateway } from './heartbeat.gateway.js';
import { HeartbeatWsAdapter } from './heartbeat-ws.adapter.js';
import type { MessageDispatcher } from './message-dispatcher.js';
import type { RoutingTable } from './routing-table.js';

Logger.overrideLogger(false);

/** The server's end of a line without a network. */
class Line extends Duplex {
  readonly remoteAddress = '10.0.0.1';
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  written = '';

  setKeepAlive(): void {}

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString('latin1');
    done();
  }

  get status(): string {
    return this.written.split(' ', 2)[1] ?? '';
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve));

const handler = (message: string) => ({ message, callback: async () => message }) as unknown as WsMessageHandler;

describe('HeartbeatWsAdapter', () => {
  let app: EventEmitter & { isInitialized: boolean };
  let node: NodeState;
  let connections: ConnectionService;
  let adapter: HeartbeatWsAdapter;
  let events: HeartbeatEvent[];
  let lines: Line[];

  beforeEach(() => {
    lines = [];
    events = [];
    const clock = { now: () => 0, wallTime: (moment: number) => new Date(moment) };
    node = new NodeState(resolveOptions({ limits: { maxConnections: 2 } }), clock);
    node.bootstrapHookRan = true;
    const stream = new HeartbeatEvents();
    stream.stream.subscribe(event => events.push(event));
    connections = new ConnectionService(node, stream);
    const addresses = new ClientAddresses(node.options);
    const admission = new AdmissionService(
      node,
      connections,
      new BanList(node, connections, stream),
      addresses,
      stream,
    );
    const heartbeat = { watch: () => undefined } as unknown as HeartbeatService;
    const [inbound, dispatcher] = [{} as InboundService, {} as MessageDispatcher];
    const gateway = new HeartbeatGateway(node, connections, heartbeat, inbound, dispatcher, stream);
    const inspector = { guardHooks: () => undefined } as GatewayInspector;
    const services = new Map<unknown, unknown>([
      [NodeState, node],
      [AdmissionService, admission],
      [HeartbeatGateway, gateway],
    ]);
    // The app stands for its HTTP server too, as it does for an adapter that is not given a whole Nest application.
    app = Object.assign(new EventEmitter(), {
      isInitialized: true,
      get: (token: unknown) => services.get(token) ?? inspector,
    });
    adapter = new HeartbeatWsAdapter(app as unknown as INestApplicationContext);
  });

  afterEach(() => {
    for (const line of lines) line.destroy();
  });

  /** A client asks for an upgrade. */
  function ask(url: string, headers: Record<string, string> = {}): Line {
    const line = new Line();
    lines.push(line);
    const upgrade = {
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    };
    app.emit(
      'upgrade',
      { method: 'GET', url, headers: { ...upgrade, ...headers }, socket: line },
      line,
      Buffer.alloc(0),
    );
    return line;
  }

  it('says that it is installed, and that it needs the module', () => {
    expect(node.adapterInstalled).toBe(true);
    const bare = {
      get: () => {
        throw new Error('unknown');
      },
    };
    expect(() => new HeartbeatWsAdapter(bare as unknown as INestApplicationContext)).toThrow(
      'HeartbeatModule.forRoot()',
    );
  });

  it('lets nobody in before all of the app has bootstrapped', () => {
    adapter.create(0, { path: '/ws' });
    app.isInitialized = false;
    expect(ask('/ws').status).toBe('503');
    app.isInitialized = true;
    expect(ask('/ws').status).toBe('101');
  });

  it('makes each socket of each path a connection', () => {
    for (const path of ['/a', 'b/', undefined]) adapter.create(0, { path });
    expect([ask('/a?x=1').status, ask('/b').status]).toEqual(['101', '101']);
    expect([...connections.all()].map(({ path }) => path)).toEqual(['/a', '/b']);
    expect(node.socketSets.map(({ size }) => size)).toEqual([1, 1, 0]);
  });

  it.each([
    ['404', 'no-such-path', '/nowhere', {}],
    ['400', 'bad-upgrade', '/ws', { 'sec-websocket-key': 'short' }],
    ['400', 'bad-upgrade', '/ws', { 'sec-websocket-version': '7' }],
  ])('answers %s %s, and tells it', (status, reason, url, headers) => {
    adapter.create(0, { path: '/ws' });
    const line = ask(url, headers);
    expect([line.status, line.written]).toEqual([status, expect.stringContaining(`problem:${reason}"`)]);
    expect(events).toEqual([{ type: 'refused', status: Number(status), reason, ip: '10.0.0.1' }]);
    expect(connections.count).toBe(0);
  });

  it('outlives a client that resets its upgrade', async () => {
    adapter.create(0, { path: '/ws' });
    for (const url of ['/ws', '/nowhere']) ask(url).destroy(new Error('ECONNRESET'));
    await turn();
    expect(connections.count).toBe(0);
  });

  it('lets in as many as may be there, and not one more', () => {
    adapter.create(0, { path: '/ws' });
    expect(['1', '2', '3'].map(() => ask('/ws').status)).toEqual(['101', '101', '503']);
  });

  it('lets in not one more, also where a gateway takes its time to verify each', async () => {
    const verified: ((result: boolean) => void)[] = [];
    const verifyClient = (_info: unknown, done: (result: boolean) => void) => void verified.push(done);
    adapter.create(0, { path: '/ws', verifyClient });
    const asked = ['1', '2', '3', '4'].map(() => ask('/ws'));
    for (const done of verified) done(true);
    await turn();
    expect(connections.count).toBe(2);
    expect(asked.map(({ status }) => status)).toEqual(['101', '101', '503', '503']);
    expect(asked[2]?.written).toMatch(
      /retry-after: \d+[^]*content-type: application\/problem\+json|content-type: application\/problem\+json[^]*retry-after: \d+/i,
    );
    expect(asked[2]?.written).toContain('problem:at-capacity"');
    expect(events.filter(({ type }) => type === 'refused')).toHaveLength(2);
  });

  it.each<[string, unknown, string, number]>([
    ['answers true', () => true, '101', 1],
    ['answers false', () => false, '401', 0],
    ['answers nothing', () => undefined, '401', 0],
    ['comes to true', async () => true, '101', 1],
    ['comes to false', async () => false, '401', 0],
    [
      'throws',
      () => {
        throw new Error('no database');
      },
      '500',
      0,
    ],
    ['rejects', async () => Promise.reject(new Error('no database')), '500', 0],
  ])('does as a verifyClient says that %s', async (_what, verifyClient, status, count) => {
    adapter.create(0, { path: '/ws', verifyClient });
    const line = ask('/ws');
    await turn();
    expect([line.status, connections.count]).toEqual([status, count]);
  });

  it('hands Nest a client after its connection was made, and outlives what Nest does with it', () => {
    const server = adapter.create(0, { path: '/ws' });
    const seen: unknown[] = [];
    adapter.bindClientConnect(server, client => {
      seen.push((client as TrackedSocket).connection);
      throw new Error('handleConnection');
    });
    expect(() => ask('/ws')).not.toThrow();
    expect(seen).toEqual([...connections.all()]);
  });

  it('keeps the handlers of all gateways of a path with the socket, and where they are with the path', () => {
    const server = adapter.create(0, { path: '/ws' });
    adapter.bindClientConnect(server, client => {
      adapter.bindMessageHandlers(client as TrackedSocket, [handler('a'), handler('b')]);
      adapter.bindMessageHandlers(client as TrackedSocket, [handler('a')]);
    });
    for (const url of ['/ws', '/ws']) ask(url);
    const sockets = [...connections.all()].map(({ socket }) => socket as TrackedSocket);
    expect(sockets.map(({ handlers }) => handlers.length)).toEqual([3, 3]);
    const [table, same] = sockets.map(({ routes }) => routes as RoutingTable);
    expect(table?.positionsOf('a')).toEqual([0, 2]);
    expect(same).toBe(table);
  });

  it('refuses a namespace, which it has not', () => {
    expect(() => adapter.create(0, { namespace: 'chat' })).toThrow('give the gateway a path of its own');
  });

  it('cuts whoever is left when it is closed, and then serves no more', async () => {
    const server = adapter.create(0, { path: '/ws' });
    ask('/ws');
    await adapter.close(server);
    await adapter.dispose();
    await turn();
    expect([connections.count, app.listenerCount('upgrade')]).toEqual([0, 0]);
  });
});
