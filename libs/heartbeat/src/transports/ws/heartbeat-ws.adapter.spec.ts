import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { type INestApplicationContext, Logger, type WsMessageHandler } from '@nestjs/common';

import { AdapterWorld, turn } from '../../../../../test/support/servers/adapter-world.js';
import type { TrackedSocket } from './tracked-socket.js';
import { HeartbeatWsAdapter } from './heartbeat-ws.adapter.js';

Logger.overrideLogger(false);

const handler = (message: string) => ({ message, callback: async () => message }) as unknown as WsMessageHandler;

describe('HeartbeatWsAdapter', () => {
  let world: AdapterWorld;
  let app: AdapterWorld['app'];
  let adapter: HeartbeatWsAdapter;
  let connections: AdapterWorld['connections'];

  beforeEach(() => {
    world = new AdapterWorld({ maxConnections: 2 });
    ({ app, adapter, connections } = world);
  });
  afterEach(() => world.destroy());

  const ask = (url: string, headers?: Record<string, string>) => world.ask(url, headers);

  it('reports that it is installed, and that it needs the module', () => {
    expect(world.node.adapterInstalled).toBe(true);
    const bare = {
      get: () => {
        throw new Error('unknown');
      },
    };
    expect(() => new HeartbeatWsAdapter(bare as unknown as INestApplicationContext)).toThrow(
      'HeartbeatModule.forRoot()',
    );
  });

  it('admits no client before all of the app has bootstrapped', () => {
    adapter.create(0, { path: '/ws' });
    app.isInitialized = false;
    expect(ask('/ws').status).toBe('503');
    app.isInitialized = true;
    expect(ask('/ws').status).toBe('101');
  });

  it('turns each socket of each path into a connection', () => {
    for (const path of ['/a', 'b/', undefined]) adapter.create(0, { path });
    expect([ask('/a?x=1').status, ask('/b').status]).toEqual(['101', '101']);
    expect([...connections.all()].map(({ path }) => path)).toEqual(['/a', '/b']);
    expect(world.connections.socketSets.map(({ size }) => size)).toEqual([1, 1, 0]);
  });

  it('keeps no query string', () => {
    adapter.create(0, { path: '/ws' });
    ask('/ws?token=S3cret');
    expect([...connections.all()].map(({ path }) => path)).toEqual(['/ws']);
    expect(JSON.stringify([connections.list(), world.events])).not.toContain('S3cret');
  });

  it.each([
    ['404', 'no-such-path', '/nowhere', {}],
    ['400', 'bad-upgrade', '/ws', { 'sec-websocket-key': 'short' }],
    ['400', 'bad-upgrade', '/ws', { 'sec-websocket-version': '7' }],
  ])('responds with %s %s, and publishes the refusal', (status, reason, url, headers) => {
    adapter.create(0, { path: '/ws' });
    const line = ask(url, headers);
    expect([line.status, line.written]).toEqual([status, expect.stringContaining(`problem:${reason}"`)]);
    expect(world.events).toEqual([{ type: 'refused', status: Number(status), reason, ip: '10.0.0.1' }]);
    expect(connections.count).toBe(0);
  });

  it('survives a client that resets its upgrade', async () => {
    adapter.create(0, { path: '/ws' });
    for (const url of ['/ws', '/nowhere']) ask(url).destroy(new Error('ECONNRESET'));
    await turn();
    expect(connections.count).toBe(0);
  });

  it('admits as many clients as allowed, and not one more', () => {
    adapter.create(0, { path: '/ws' });
    expect(['1', '2', '3'].map(() => ask('/ws').status)).toEqual(['101', '101', '503']);
  });

  it('passes a client to Nest after its connection was created, and survives an error of Nest', () => {
    const server = adapter.create(0, { path: '/ws' });
    const seen: unknown[] = [];
    adapter.bindClientConnect(server, client => {
      seen.push((client as TrackedSocket).connection);
      throw new Error('handleConnection');
    });
    expect(() => ask('/ws')).not.toThrow();
    expect(seen).toEqual([...connections.all()]);
  });

  it('keeps the handlers of all gateways of a path with the socket, and their positions with the path', () => {
    const server = adapter.create(0, { path: '/ws' });
    adapter.bindClientConnect(server, client => {
      adapter.bindMessageHandlers(client as TrackedSocket, [handler('a'), handler('b')]);
      adapter.bindMessageHandlers(client as TrackedSocket, [handler('a')]);
    });
    for (const url of ['/ws', '/ws']) ask(url);
    const sockets = [...connections.all()].map(({ channel }) => channel as TrackedSocket);
    expect(sockets.map(({ handlers }) => handlers.length)).toEqual([3, 3]);
    const [table, same] = sockets.map(({ routes }) => routes);
    expect(table?.positionsOf('a')).toEqual([0, 2]);
    expect(same).toBe(table);
  });

  it('has one server for gateways whose paths differ in spelling only', () => {
    const servers = ['/chat', 'chat/', '/%63hat'].map(path => adapter.create(0, { path }));
    expect(new Set(servers).size).toBe(1);
    expect(['/chat', '/chat/'].map(url => ask(url).status)).toEqual(['101', '101']);
    expect(world.connections.socketSets).toHaveLength(1);
  });

  it('rejects a namespace, which it does not support', () => {
    expect(() => adapter.create(0, { namespace: 'chat' })).toThrow('give the gateway a path of its own');
  });

  it('terminates the remaining connections on close, and serves no more', async () => {
    const server = adapter.create(0, { path: '/ws' });
    ask('/ws');
    await adapter.close(server);
    await adapter.dispose();
    expect(app.eventNames()).toEqual([]);
    await turn();
    expect([connections.count, app.listenerCount('upgrade')]).toEqual([0, 0]);
  });
});
