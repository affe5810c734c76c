/** Other `upgrade` listeners of the application's HTTP server get what no gateway serves, untouched, and do not hold up its end. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import { request as httpRequest, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { DrainService, type HeartbeatEvent, HeartbeatEvents, type HeartbeatOptions } from 'nestjs-heartbeat';
import { Server as SocketIo } from 'socket.io';
import { WebSocket, WebSocketServer } from 'ws';
import { freePort } from '../support/servers/free-port.js';
import {
  answerTo,
  PLATFORMS,
  SharedPort,
  type SharedPortOptions,
  type UpgradeListener,
  upgradeHead,
} from '../support/servers/shared-port.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class AppGateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

const ownEcho = JSON.stringify({ event: 'echo', data: 'own' });

afterEach(() => SharedPort.closeAll());

const pathOf = (url = '/') => url.split('?', 1)[0];

/** A `ws` server of the application with its own routing, as `ws`' README has it. Ignores what is not its own. */
function handMade(server: Server, path = '/hand-made', protocol?: string): WebSocketServer {
  const guest = new WebSocketServer({ noServer: true, ...(protocol && { handleProtocols: () => protocol }) });
  guest.on('connection', client => client.on('message', (data: Buffer) => client.send(`guest: ${data.toString()}`)));
  server.on('upgrade', (request, socket, head) => {
    if (pathOf(request.url) !== path) return;
    guest.handleUpgrade(request, socket, head, client => guest.emit('connection', client, request));
  });
  return guest;
}

/** As graphql-ws and Nest's GraphQL module have it: the subprotocol is checked, and the path answered late. */
function graphql(server: Server): void {
  const guest = new WebSocketServer({
    noServer: true,
    handleProtocols: names => names.has('graphql-transport-ws') && 'graphql-transport-ws',
  });
  guest.on('connection', client =>
    client.on('message', (data: Buffer) => client.send(`graphql: ${client.protocol} ${data.toString()}`)),
  );
  server.on('upgrade', (request, socket, head) => {
    if (request.url !== '/graphql') return;
    setTimeout(() => guest.handleUpgrade(request, socket, head, client => guest.emit('connection', client)), 50);
  });
}

/** As http-proxy-middleware has it: the upgrade is forwarded to another server, and the sockets are piped. */
function proxy(server: Server, targetPort: number): void {
  server.on('upgrade', (request, socket, head) => {
    if (!request.url?.startsWith('/proxied')) return;
    const onwards = httpRequest({ port: targetPort, path: request.url, headers: request.headers });
    onwards.on('upgrade', (response, target, rest) => {
      const lines = Object.entries(response.headers).map(([name, value]) => `${name}: ${String(value)}`);
      socket.write(['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n'));
      target.unshift(rest);
      socket.unshift(head);
      target.on('error', () => socket.destroy());
      socket.on('error', () => target.destroy());
      target.pipe(socket).pipe(target);
    });
    onwards.on('error', () => socket.destroy());
    onwards.end();
  });
}

/** The moments at which a guest may add its listener. */
const MOMENTS = ['beforeAdapter', 'afterAdapter', 'afterListen'] as const;

function startWith(
  guest: (server: Server) => unknown,
  rest: SharedPortOptions = {},
  moment: (typeof MOMENTS)[number] = 'beforeAdapter',
) {
  return SharedPort.start({ gateways: [AppGateway], ...rest, [moment]: guest });
}

function record(shared: SharedPort): HeartbeatEvent[] {
  const seen: HeartbeatEvent[] = [];
  shared.app.get(HeartbeatEvents).stream.subscribe(event => seen.push(event));
  return seen;
}

describe.each(PLATFORMS)('On %s', platform => {
  it.each(MOMENTS)('guests that are added %s serve their own paths, and the gateway its own', async moment => {
    const target = new WebSocketServer({ port: await freePort(), host: '127.0.0.1' });
    target.on('connection', client =>
      client.on('message', (data: Buffer) => client.send(`target: ${data.toString()}`)),
    );
    await once(target, 'listening');
    const { port: targetPort } = target.address() as { port: number };
    const shared = await startWith(
      server => {
        handMade(server);
        graphql(server);
        proxy(server, targetPort);
      },
      { platform },
      moment,
    );
    const events = record(shared);
    expect(await shared.echo('/hand-made?x=1', 'a')).toBe('guest: a');
    expect(await shared.echo('/graphql', 'b', ['graphql-transport-ws'])).toBe('graphql: graphql-transport-ws b');
    expect(await shared.echo('/proxied/hmr', 'c')).toBe('target: c');
    expect(await shared.echo('/ws', ownEcho)).toBe(ownEcho);
    expect(events.filter(({ type }) => type === 'refused')).toEqual([]);
    expect(events.filter(event => event.type === 'opened' && event.path !== '/ws')).toEqual([]);
    for (const client of target.clients) client.terminate();
    await new Promise(resolve => target.close(resolve));
  });

  it('Socket.IO is a guest, over WebSocket and polling, and does not hold up close()', async () => {
    const io: SocketIo[] = [];
    const shared = await startWith(
      server => {
        io.push(new SocketIo(server, { destroyUpgrade: false }));
      },
      { platform, options: { drain: { spreadMs: 0, closeTimeoutMs: 200, deadlineMs: 600 } } },
    );
    const received: string[] = [];
    const client = await shared.webSocket('/socket.io/?EIO=4&transport=websocket', [], text => received.push(text));
    if (typeof client === 'number') throw new Error(`refused: ${client}`);
    await until(() => received.some(text => text.includes('"sid"')));
    client.send('40');
    await until(() => received.some(text => text.startsWith('40')));
    const polling = await shared.exchange(
      'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n',
      /"sid":"[^"]+"/,
    );
    const [, sid = ''] = /"sid":"([^"]+)"/.exec(polling) ?? [];
    // A poll that waits for up to 25 s.
    const poll = await shared.socket();
    poll.write(`GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(await shared.echo('/ws', ownEcho)).toBe(ownEcho);
    const startedAt = performance.now();
    await shared.app.close();
    expect(performance.now() - startedAt).toBeLessThan(2500);
    io[0]!.engine.close();
  });
});

describe('An upgrade that no gateway serves', () => {
  it('is refused with 404 where there is no other listener', async () => {
    const shared = await SharedPort.start({ gateways: [AppGateway] });
    const events = record(shared);
    expect(await shared.webSocket('/elsewhere')).toBe(404);
    expect(events).toContainEqual(expect.objectContaining({ type: 'refused', reason: 'no-such-path' }));
  });

  it.each<[string, (server: Server) => void]>([
    ['ignore it', server => handMade(server)],
    ['only look at it', server => server.on('upgrade', (_request, socket: Duplex) => socket.on('error', () => {}))],
  ])('is answered 404 after handshakeTimeoutMs where the guests %s', async (_what, guest) => {
    const shared = await startWith(guest, { options: { limits: { handshakeTimeoutMs: 300 } } });
    const events = record(shared);
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 300 }, () => shared.exchange(upgradeHead('/elsewhere'))));
    expect(new Set(answers.map(answer => answer.slice(0, 12)))).toEqual(new Set(['HTTP/1.1 404']));
    expect(performance.now() - startedAt).toBeGreaterThan(250);
    expect(events.filter(({ type }) => type === 'refused')).toHaveLength(300);
  });

  it('is not answered where a guest reads it, however long the guest takes to answer', async () => {
    const taken: Duplex[] = [];
    const shared = await startWith(
      server => {
        server.on('upgrade', ({ url }, socket) => {
          if (url === '/taken') taken.push(socket.on('data', () => {}));
        });
      },
      { options: { limits: { handshakeTimeoutMs: 100 } } },
    );
    const socket = await shared.socket();
    socket.write(upgradeHead('/taken'));
    await until(() => taken.length === 1);
    // Given up after the same time, and begun later.
    expect(await shared.exchange(upgradeHead('/ignored'))).toContain('HTTP/1.1 404');
    taken[0]!.write('late');
    expect(await answerTo(socket, 'x', /late/)).toBe('late');
  });

  it('may be reset by its client at any time', async () => {
    const shared = await startWith(server => handMade(server), { options: { limits: { handshakeTimeoutMs: 100 } } });
    for (let round = 0; round < 20; round++) {
      const socket = await shared.socket();
      socket.write(upgradeHead('/elsewhere'));
      if (round % 2 === 0) await new Promise(resolve => setImmediate(resolve));
      socket.resetAndDestroy();
    }
    expect(await shared.exchange(upgradeHead('/elsewhere'))).toContain('HTTP/1.1 404');
    expect(await shared.echo('/hand-made', 'a')).toBe('guest: a');
  });

  it('reaches a guest while the application starts', async () => {
    const seen: (string | number)[] = [];
    let serverPort = 0;
    @WebSocketGateway({ path: '/slow-start' })
    class SlowGateway {
      async onApplicationBootstrap() {
        for (const path of ['/slow-start', '/hand-made']) {
          const client = new WebSocket(`ws://127.0.0.1:${serverPort}${path}`);
          const result = await new Promise<string | number>(resolve => {
            client.on('open', () => resolve('open')).on('error', () => undefined);
            client.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
          });
          client.terminate();
          seen.push(result);
        }
      }
    }
    await startWith(
      server => {
        handMade(server);
        server.on('listening', () => (serverPort = (server.address() as { port: number }).port));
      },
      { gateways: [SlowGateway], listensEarly: true },
    );
    expect(seen).toEqual([503, 'open']);
  });
});

describe('During a drain', () => {
  const options: HeartbeatOptions = { drain: { spreadMs: 0, closeTimeoutMs: 100, deadlineMs: 1000 } };

  it('guests are served until its deadline, and end then', async () => {
    const shared = await startWith(server => handMade(server), { options });
    const guest = await shared.webSocket('/hand-made');
    if (typeof guest === 'number') throw new Error(`refused: ${guest}`);
    const closed = once(guest, 'close');
    const startedAt = performance.now();
    await shared.app.get(DrainService).start('a test');
    expect(await shared.webSocket('/ws')).toBe(503);
    expect(await shared.echo('/hand-made', 'a')).toBe('guest: a');
    guest.send('b');
    const [data] = (await once(guest, 'message')) as [Buffer];
    expect(data.toString()).toBe('guest: b');
    const [code] = (await closed) as [number];
    expect(code).toBe(1006);
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    expect(await shared.webSocket('/hand-made')).toBe(503);
  });

  it('an abort serves gateways and guests again, also after the deadline', async () => {
    const shared = await startWith(server => handMade(server), { options });
    const drain = shared.app.get(DrainService);
    const guest = await shared.webSocket('/hand-made');
    if (typeof guest === 'number') throw new Error(`refused: ${guest}`);
    const closed = once(guest, 'close');
    for (const moment of ['before the deadline', 'after the deadline']) {
      await drain.start('a test');
      expect(await shared.webSocket('/ws')).toBe(503);
      if (moment === 'after the deadline') await closed;
      expect(drain.abort()).toBe(true);
      expect(await shared.echo('/ws', ownEcho)).toBe(ownEcho);
      expect(await shared.echo('/hand-made', 'a')).toBe('guest: a');
    }
  });

  it('guests have the deadline of a drain by hand, until the process ends', async () => {
    const shared = await startWith(server => handMade(server), { options });
    const guest = await shared.webSocket('/hand-made');
    if (typeof guest === 'number') throw new Error(`refused: ${guest}`);
    const closed = once(guest, 'close');
    const startedAt = performance.now();
    await shared.app.get(DrainService).start('a test', { spreadMs: 2 ** 31 - 1 });
    await until(() => performance.now() - startedAt > options.drain!.deadlineMs! + 100);
    expect(await shared.echo('/hand-made', 'a')).toBe('guest: a');
    const closedAt = performance.now();
    await shared.app.close();
    await closed;
    const tookMs = performance.now() - closedAt;
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(2000);
  });

  it('close() waits for guests and open responses no longer than the deadline', async () => {
    const shared = await startWith(server => handMade(server), { options });
    const guest = await shared.webSocket('/hand-made');
    expect(guest).toBeInstanceOf(WebSocket);
    const startedAt = performance.now();
    await shared.app.close();
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(2000);
  });

  it('close() ends at once where guests end', async () => {
    const shared = await startWith(server => handMade(server), { options });
    expect(await shared.echo('/hand-made', 'a')).toBe('guest: a');
    const startedAt = performance.now();
    await shared.app.close();
    expect(performance.now() - startedAt).toBeLessThan(800);
  });
});

const refuseAll: UpgradeListener = (_request, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
const accept: UpgradeListener = (_request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nX-By: guest\r\n\r\n');
  socket.on('data', () => {});
};

describe('A guest that answers upgrades to the path of a gateway', () => {
  it.each<[string, (server: Server) => unknown, RegExp]>([
    ['refuses it first', server => server.prependListener('upgrade', refuseAll), /^HTTP\/1\.1 400 [^]*$/],
    [
      'accepts it first',
      server => server.prependListener('upgrade', accept),
      /^HTTP\/1\.1 101 [^]*X-By: guest\r\n\r\n$/,
    ],
    ['accepts it while authenticate runs', server => server.on('upgrade', accept), /X-By: guest\r\n\r\n$/],
    ['refuses it while authenticate runs', server => server.on('upgrade', refuseAll), /^HTTP\/1\.1 400 [^]*$/],
  ])('gets no second answer of ours where it %s', async (_what, guest, expected) => {
    let [asked, settled] = [0, 0];
    const authenticate = async () => {
      asked++;
      await new Promise(resolve => setTimeout(resolve, 30));
      settled++;
      return 'anonymous' as const;
    };
    const shared = await startWith(guest, { options: { authenticate, limits: { maxConnections: 1 } } }, 'afterListen');
    for (let round = 0; round < 3; round++) {
      const socket = await shared.socket();
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
      socket.write(upgradeHead('/ws'));
      await until(() => answer !== '' && asked === round + 1 && asked === settled);
      await new Promise(resolve => setImmediate(resolve));
      expect(answer).toMatch(expected);
      expect([...answer.matchAll(/HTTP\/1\.1/g)]).toHaveLength(1);
      socket.destroy();
    }
    // The place of the only connection is free.
    shared.server.removeListener('upgrade', accept).removeListener('upgrade', refuseAll);
    expect(await shared.echo('/ws', ownEcho)).toBe(ownEcho);
  });
});

describe('Another protocol beside guests', () => {
  it('is a guest’s if it takes the upgrade, and a plain request otherwise', async () => {
    const shared = await startWith(server => {
      handMade(server);
      server.on('upgrade', (request, socket) => {
        if (request.headers.upgrade !== 'foo') return;
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\n\r\n');
        socket.on('data', (chunk: Buffer) => socket.write(`foo ${chunk.toString()}`));
      });
    });
    const socket = await shared.socket();
    expect(await answerTo(socket, upgradeHead('/x', { Upgrade: 'foo' }), /\r\n\r\n/)).toContain('Upgrade: foo');
    expect(await answerTo(socket, 'bar', /bar/)).toBe('foo bar');
    for (const upgrade of ['h2c', 'bar', 'TLS/1.0']) {
      const text = await shared.exchange(upgradeHead('/health/live', { Upgrade: upgrade }), /"status"/);
      expect(text).toContain('HTTP/1.1 200');
    }
  });
});
