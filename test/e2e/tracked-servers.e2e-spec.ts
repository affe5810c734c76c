/** `ws` servers that the application made itself, tracked: all that gateways have, and their own features as before. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BanList,
  ConnectionService,
  ConnectionTracker,
  DrainService,
  type HeartbeatOptions,
  TrackedSocket,
} from 'nestjs-heartbeat';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { watchLeaks } from '../support/assert/leaks.js';
import { until } from '../support/assert/until.js';
import { INSTALL_WS_MS, installWs } from '../support/servers/other-ws.js';
import { SharedPort } from '../support/servers/shared-port.js';

@WebSocketGateway({ path: '/ws' })
class AppGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

/** A version whose servers pass fewer limits to their sockets. */
const OLDER = '8.18.0';
let folder = '';
let OlderServer: typeof WebSocketServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'older-ws-'));
  const path = await installWs(OLDER, folder);
  ({ WebSocketServer: OlderServer } = createRequire(`${path}/`)('ws') as { WebSocketServer: typeof WebSocketServer });
}, INSTALL_WS_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The kinds of servers, each as its documentation has it. */
const KINDS = ['noServer', 'server', 'port', 'an older ws'] as const;
type Kind = (typeof KINDS)[number];

const open: World[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

/** An application with a gateway, and a server of its own. */
class World {
  readonly clients: WebSocket[] = [];

  private constructor(
    readonly shared: SharedPort,
    readonly server: WebSocketServer,
    readonly untrack: () => void,
  ) {}

  static async start(kind: Kind, options: HeartbeatOptions = {}, own: ServerOptions = {}): Promise<World> {
    const shared = await SharedPort.start({ gateways: [AppGateway], options: { admin: { tokens: [] }, ...options } });
    const server = World.#server(kind, shared.server, own);
    if (kind === 'port') await once(server, 'listening');
    server.on('connection', client => client.on('message', (data: Buffer) => client.send(`own: ${data.toString()}`)));
    const world = new World(shared, server, shared.app.get(ConnectionTracker).track(server));
    open.push(world);
    return world;
  }

  static #server(kind: Kind, http: Server, own: ServerOptions): WebSocketServer {
    if (kind === 'port') return new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/own', ...own });
    if (kind === 'server') return new WebSocketServer({ server: http, path: '/own', ...own });
    if (kind === 'an older ws') return new OlderServer({ server: http, path: '/own', ...own });
    const server = new WebSocketServer({ noServer: true, ...own });
    http.on('upgrade', (request, socket, head) => {
      if (!request.url?.startsWith('/own')) return;
      server.handleUpgrade(request, socket, head, client => server.emit('connection', client, request));
    });
    return server;
  }

  get connections(): ConnectionService {
    return this.shared.app.get(ConnectionService);
  }

  get url(): string {
    const { options } = this.server;
    const port = options.noServer ? this.shared.port : (this.server.address() as AddressInfo).port;
    return `ws://127.0.0.1:${port}/own`;
  }

  /** A client of the own server, or the status of its refusal. */
  async client(options: object = {}, url = this.url, protocols: string[] = []): Promise<WebSocket | number> {
    const client = new WebSocket(url, protocols, options);
    this.clients.push(client);
    client.on('error', () => undefined);
    return new Promise((resolve, reject) => {
      client.on('open', () => resolve(client));
      client.on('error', reject);
      client.on('unexpected-response', (_request, response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      });
    });
  }

  async opened(options?: object, url?: string, protocols?: string[]): Promise<WebSocket> {
    const client = await this.client(options, url, protocols);
    if (typeof client === 'number') throw new Error(`the client was refused with ${client}`);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.terminate();
    await this.shared.close();
    for (const client of this.server.clients) client.terminate();
    await new Promise(resolve => this.server.close(resolve));
  }
}

const ending = async (client: WebSocket) => {
  const [code, reason] = (await once(client, 'close')) as [number, Buffer];
  return [code, reason.toString()];
};
const answer = async (client: WebSocket, text: string) => {
  client.send(text);
  const [data] = (await once(client, 'message')) as [Buffer];
  return data.toString();
};

const SOON = { intervalMs: 200, minIntervalMs: 200, maxIntervalMs: 200, pongTimeoutMs: 100 };

describe.each(KINDS)('A tracked server with %s', kind => {
  it('has its clients listed, measured and counted, kicked, and its own clients as before', async () => {
    const world = await World.start(kind, { heartbeat: SOON });
    const client = await world.opened();
    expect(await answer(client, 'hi')).toBe('own: hi');
    const [socket] = world.server.clients;
    expect(socket).toBeInstanceOf(TrackedSocket);
    const { connection } = socket as TrackedSocket;
    const [shown] = world.connections.list().items;
    expect(shown).toMatchObject({ path: '/own', transport: 'other', messagesIn: 1, messagesOut: 1, state: 'open' });
    expect(connection).toMatchObject({ id: shown!.id, transport: 'other' });
    await until(() => connection.rttMs !== null);
    expect(world.connections.find({ transport: 'ws' })).toEqual([]);
    // Its protocol is its own, so only a broadcast to it by name reaches it.
    expect([world.connections.broadcast('no'), world.connections.broadcast('yes', { transport: 'other' })]).toEqual([
      0, 1,
    ]);
    expect(String((await once(client, 'message'))[0])).toBe('yes');
    const end = ending(client);
    world.connections.kick(shown!.id);
    expect(await end).toEqual([4500, 'kicked']);
    await until(() => world.connections.count === 0 && world.server.clients.size === 0);
    expect(connection.signal.aborted).toBe(true);
  });

  it('admits exactly as many clients as are left beside the gateways', async () => {
    const world = await World.start(kind, { limits: { maxConnections: 3 } });
    expect(await world.shared.webSocket('/ws')).toBeInstanceOf(WebSocket);
    const tried = await Promise.all(Array.from({ length: 6 }, () => world.client()));
    expect(tried.filter(one => one === 503)).toHaveLength(4);
    expect([world.connections.count, world.server.clients.size]).toEqual([3, 2]);
    expect(await world.shared.webSocket('/ws')).toBe(503);
  });

  it('finds a silent client, a slow one and a flood, and keeps the clients that answer', async () => {
    const world = await World.start(kind, {
      heartbeat: SOON,
      limits: { messagesPerSecond: 5, maxMessageBytes: 1000 },
      backpressure: { maxBufferedBytes: 100_000 },
      drain: { closeTimeoutMs: 100 },
    });
    const good = await world.opened();
    await world.opened({ autoPong: false });
    const [flood, large, slow] = [await world.opened(), await world.opened(), await world.opened()];
    const floodEnd = ending(flood);
    for (let sent = 0; sent < 50; sent++) flood.send('x');
    expect(await floodEnd).toEqual([4004, 'too many messages']);
    const largeEnd = ending(large);
    large.send('x'.repeat(1001));
    expect((await largeEnd)[0]).toBe(1009);
    slow.pause();
    const [socket] = [...world.server.clients].slice(-1);
    for (let sent = 0; sent < 200 && socket!.readyState === WebSocket.OPEN; sent++) socket!.send('x'.repeat(90_000));
    await until(() => world.connections.count === 1);
    const codes = world.connections.closedHistory().map(({ code }) => code);
    expect(codes.toSorted((one, other) => one - other)).toEqual([1009, 4000, 4003, 4004]);
    expect(await answer(good, 'still here')).toBe('own: still here');
  });

  it('refuses and closes banned clients, and drains the others with the advised delay', async () => {
    const world = await World.start(kind);
    const [client, other] = [await world.opened(), await world.opened()];
    world.connections
      .list()
      .items.forEach(({ id }, place) => world.connections.get(id)?.identify({ userId: `${place}` }));
    const end = ending(client);
    const bans = world.shared.app.get(BanList);
    bans.ban({ kind: 'user', value: '0', forMs: 60_000 });
    expect(await end).toEqual([4501, 'banned']);
    bans.ban({ kind: 'ip', value: '10.0.0.1', forMs: 60_000 });
    const drained = ending(other);
    await world.shared.app.get(DrainService).start('test');
    expect(await drained).toEqual([1001, expect.stringMatching(/^server is going away; retry-after=\d+$/)]);
    expect([await world.client(), world.connections.count]).toEqual([503, 0]);
  });

  it('has the features of ws as before', async () => {
    const asked: string[] = [];
    const world = await World.start(
      kind,
      {},
      {
        perMessageDeflate: { threshold: 0 },
        handleProtocols: names => [...names].at(-1)!,
        verifyClient: ({ req }: { req: { url?: string } }, done: (isGood: boolean, status?: number) => void) => {
          asked.push(req.url ?? '');
          done(!req.url?.endsWith('?no'), 418);
        },
      },
    );
    world.server.on('headers', headers => headers.push('X-Own: yes'));
    const client = new WebSocket(world.url, ['a', 'b']);
    world.clients.push(client);
    const [[response]] = (await Promise.all([once(client, 'upgrade'), once(client, 'open')])) as unknown as [
      [{ headers: Record<string, string> }],
    ];
    expect([client.protocol, client.extensions, response.headers['x-own']]).toEqual(['b', 'permessage-deflate', 'yes']);
    expect(await answer(client, 'x'.repeat(1000))).toBe(`own: ${'x'.repeat(1000)}`);
    expect(await world.client({}, `${world.url}?no`)).toBe(418);
    expect(asked).toEqual(['/own', '/own?no']);
    const closed = ending(client);
    for (const socket of world.server.clients) socket.close(3000, 'by the owner');
    expect(await closed).toEqual([3000, 'by the owner']);
    await until(() => world.connections.closedHistory().length === 1);
    expect(world.connections.closedHistory()[0]).toMatchObject({ code: 3000, closedBy: 'server' });
  });

  it('survives errors of its listeners', async () => {
    const world = await World.start(kind);
    world.server.on('connection', client => {
      client.on('message', () => {
        throw new Error('of a listener');
      });
      throw new Error('of the server');
    });
    const client = await world.opened();
    expect(await answer(client, 'hi')).toBe('own: hi');
    expect(await answer(client, 'again')).toBe('own: again');
  });

  it('works untracked after the tracking has ended, while earlier connections stay', async () => {
    const world = await World.start(kind);
    const before = await world.opened();
    world.untrack();
    world.untrack();
    const after = await world.opened();
    expect(await answer(after, 'hi')).toBe('own: hi');
    expect([world.connections.count, world.server.clients.size]).toEqual([1, 2]);
    const end = ending(before);
    world.connections.kick(world.connections.list().items[0]!.id);
    expect(await end).toEqual([4500, 'kicked']);
    const tracker = world.shared.app.get(ConnectionTracker);
    tracker.track(world.server);
    expect(() => tracker.track(world.server)).toThrow('call track once for each server');
    await world.opened();
    await until(() => world.connections.count === 1);
  });

  it('leaves nothing after the application and the server have closed', async () => {
    const assertNothingLeft = watchLeaks();
    const world = await World.start(kind);
    await world.opened();
    open.splice(open.indexOf(world), 1);
    await world.shared.close();
    await world.close();
    expect(world.shared.server.listenerCount('upgrade')).toBe(kind === 'noServer' ? 1 : 0);
    await assertNothingLeft();
  });
});

describe('A tracked server with { server }', () => {
  it('leaves the paths of gateways and of guests alone, which ws itself answers with 400', async () => {
    const world = await World.start('server', { limits: { handshakeTimeoutMs: 300 } });
    expect(await world.client({}, world.url.replace('/own', '/none'))).toBe(404);
    expect(await world.shared.echo('/ws', '{"event":"echo","data":1}')).toBe('{"event":"echo","data":1}');
    const guest = new WebSocketServer({ noServer: true });
    world.shared.server.on('upgrade', (request, socket, head) => {
      if (request.url === '/guest')
        guest.handleUpgrade(request, socket, head, client => client.on('message', () => client.send('guest')));
    });
    const client = await world.opened({}, world.url.replace('/own', '/guest'));
    expect(await answer(client, 'hi')).toBe('guest');
    expect(await world.client({}, world.url.replace('/own', '/none'))).toBe(404);
    expect(world.connections.count).toBe(0);
  });

  it('leaves its path to others once its owner closes it, while its connections stay', async () => {
    const world = await World.start('server', { limits: { handshakeTimeoutMs: 60_000 } });
    const client = await world.opened();
    const { url } = world;
    world.server.close();
    expect(await world.client({}, url)).toBe(404);
    const end = ending(client);
    world.connections.kick(world.connections.list().items[0]!.id);
    expect(await end).toEqual([4500, 'kicked']);
    const guest = new WebSocketServer({ server: world.shared.server, path: '/own' });
    guest.on('connection', one => one.close(3000));
    expect(await ending(await world.opened({}, url))).toEqual([3000, '']);
    guest.close();
  });
});
