/** Admission of Socket.IO's sessions: limits over both transports together, and refusals as clients see them. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocketGateway } from '@nestjs/websockets';
import { Test } from '@nestjs/testing';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { BanList, HeartbeatModule, type HeartbeatOptions } from 'nestjs-heartbeat';
import { HeartbeatIoAdapter } from 'nestjs-heartbeat/socket.io';
import type { ServerOptions } from 'socket.io';
import { WebSocket, WebSocketServer } from 'ws';
import { passed, until } from '../support/assert/until.js';
import { PollingClient } from '../support/clients/polling-client.js';
import { IoApp } from '../support/servers/io-app.js';
import { NO_LOAD } from '../support/servers/no-load.js';

type CorsDone = (error: null, options: object) => void;

@WebSocketGateway()
class PlainGateway {}

afterEach(() => IoApp.closeAll());

async function start(options: HeartbeatOptions = {}, server: Partial<ServerOptions> = {}): Promise<IoApp> {
  return IoApp.start({ gateways: [PlainGateway], options, server });
}

function polling(app: IoApp, headers?: Record<string, string>): PollingClient {
  const client = new PollingClient(app.port, headers);
  app.onClose(() => client.destroy());
  return client;
}

/** The response to a first request: status, `type` and the headers. */
async function refusalOf(app: IoApp, headers?: Record<string, string>) {
  const { status, headers: received, body } = await polling(app, headers).ask('GET');
  const { type = '' } = status === 200 ? {} : (JSON.parse(body) as { type?: string });
  return { status, type: type.replace('urn:nestjs-heartbeat:problem:', ''), headers: received };
}

/** How a client of Socket.IO is refused. */
async function connectErrorOf(app: IoApp, transport: string) {
  const client = app.client({ transports: [transport] });
  return new Promise<Error & { context?: { status?: number }; data?: { type?: string; retryAfterMs?: number } }>(
    (resolve, reject) => {
      client.once('connect_error', resolve);
      client.once('connect', () => reject(new Error('the client was admitted')));
    },
  );
}

describe('A refusal over polling', () => {
  it.each<[number, string, HeartbeatOptions]>([
    [401, 'unauthenticated', { authenticate: () => null }],
    [503, 'authentication-timeout', { authenticate: () => new Promise(() => {}), limits: { handshakeTimeoutMs: 200 } }],
    [503, 'at-capacity', { limits: { maxConnections: 1 } }],
    [429, 'ip-limit', { limits: { maxPerIp: 1 } }],
    [429, 'upgrade-rate', { limits: { upgradesPerSecond: 1 } }],
  ])('is %d %s, with the headers of CORS, and a client sees its status', async (status, type, options) => {
    const app = await start(options, { cors: { origin: 'https://a.example', credentials: true } });
    if (!options.authenticate) await polling(app).open();
    const refusal = await refusalOf(app, { origin: 'https://a.example' });
    expect(refusal).toMatchObject({ status, type });
    expect(refusal.headers).toMatchObject({
      'access-control-allow-origin': 'https://a.example',
      'access-control-allow-credentials': 'true',
      'content-type': 'application/problem+json',
    });
    expect('retry-after' in refusal.headers).toBe(status !== 401);
    expect((await connectErrorOf(app, 'polling')).context?.status).toBe(status);
    expect(app.connections.count).toBe(options.authenticate ? 0 : 1);
  });

  it('is 400 for a path that is too long to keep, over both transports', async () => {
    const app = await start();
    const path = `/socket.io/${'p'.repeat(2100)}?EIO=4&transport=`;
    const polled = await fetch(`http://127.0.0.1:${app.port}${path}polling`);
    expect([polled.status, await polled.text()]).toEqual([400, expect.stringContaining('longer than 2048 characters')]);
    const client = new WebSocket(`ws://127.0.0.1:${app.port}${path}websocket`);
    const [{ message }] = (await once(client, 'error')) as [Error];
    expect(message).toMatch(/400/);
    expect(app.connections.count).toBe(0);
  });

  it('is that of a ban', async () => {
    const app = await start();
    app.app.get(BanList).ban({ kind: 'ip', value: '127.0.0.1', forMs: 60_000 });
    expect(await refusalOf(app)).toMatchObject({ status: 403, type: 'banned' });
  });

  it.each([
    ['a second EIO of 3', '&EIO=3', 400],
    ['an unknown session', '&sid=none', 400],
    ['an unknown transport', '&transport=carrier', 400],
  ])('is 400 for %s', async (_what, query, status) => {
    const app = await start();
    const { port } = app;
    const response = await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling${query}`, {
      headers: { connection: 'close' },
    });
    await response.text();
    expect([response.status, app.connections.count]).toEqual([status, 0]);
  });

  it('is none for a preflight, nor for requests of a known session', async () => {
    const app = await start({ limits: { upgradesPerSecond: 1 } }, { cors: { origin: 'https://a.example' } });
    const client = polling(app, { origin: 'https://a.example', 'access-control-request-method': 'GET' });
    expect((await client.ask('OPTIONS')).status).toBe(204);
    await client.open();
    expect((await client.post('40')).status).toBe(200);
    expect(await client.poll()).toContain('"sid"');
    expect(app.connections.count).toBe(1);
  });
});

describe('A refusal over WebSocket', () => {
  it('is an HTTP response', async () => {
    const app = await start({ authenticate: () => null });
    const client = new WebSocket(`ws://127.0.0.1:${app.port}/socket.io/?EIO=4&transport=websocket`);
    const [status, type] = await new Promise<[number?, string?]>(resolve => {
      client.on('unexpected-response', (_request, response) => {
        resolve([response.statusCode, response.headers['content-type']]);
        response.destroy();
      });
    });
    expect([status, type]).toEqual([401, 'application/problem+json']);
    expect((await connectErrorOf(app, 'websocket')).message).toBe('websocket error');
  });

  it.each(['/', '/chat'])(
    'is a CONNECT_ERROR of the namespace %s, after which the client stays away',
    async namespace => {
      const app = await start({ limits: { maxConnections: 1, refuseWith: 'close' } });
      const first = await app.connected({ transports: ['websocket'] });
      const client = app.client({ transports: ['websocket'], namespace, reconnection: true, reconnectionDelay: 10 });
      const errors: { message: string; data?: { type?: string; retryAfterMs?: number } }[] = [];
      client.on('connect_error', error => errors.push(error));
      await until(() => errors.length > 0);
      expect(errors[0]!.data).toMatchObject({ type: 'urn:nestjs-heartbeat:problem:at-capacity', status: 503 });
      expect(errors[0]!.data?.retryAfterMs).toBeGreaterThan(0);
      await until(() => !client.io.engine || client.io.engine.readyState === 'closed', { timeoutMs: 3000 });
      expect([errors.length, client.active, first.connected, app.connections.count]).toEqual([1, false, true, 1]);
    },
  );
});

describe('Limits', () => {
  it('hold exactly over both transports together, for any number at once', async () => {
    const app = await start({
      limits: { maxPerIp: 10 },
      authenticate: async () => new Promise<'anonymous'>(resolve => setTimeout(resolve, 50, 'anonymous')),
    });
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, async (_, index) =>
        app.connected({ transports: [index % 2 === 0 ? 'polling' : 'websocket'] }).then(
          () => 'admitted',
          () => 'refused',
        ),
      ),
    );
    expect(outcomes.filter(outcome => outcome === 'admitted')).toHaveLength(10);
    expect(app.connections.count).toBe(10);
  });

  it('are not used up by clients that leave while they wait', async () => {
    let asked = 0;
    const app = await start({
      limits: { maxConnections: 1 },
      authenticate: async (_request, signal) => {
        asked++;
        await new Promise(resolve => signal.addEventListener('abort', resolve));
        return 'anonymous' as const;
      },
    });
    /** Tries until an attempt has the only slot, then resets its network connection. */
    const tryAndLeave = async (transport: string) => {
      const before = asked;
      const upgrade = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ';
      const headers = transport === 'websocket' ? `${upgrade}${randomBytes(16).toString('base64')}\r\n` : '';
      await until(async () => {
        const socket = connect(app.port, '127.0.0.1').on('error', () => undefined);
        socket.write(`GET /socket.io/?EIO=4&transport=${transport} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
        await passed(50);
        socket.resetAndDestroy();
        return asked > before;
      });
    };
    for (const transport of ['polling', 'websocket', 'polling']) await tryAndLeave(transport);
    expect(asked).toBeGreaterThanOrEqual(3);
    expect(app.connections.count).toBe(0);
  });
});

describe('The application', () => {
  it.each(['polling', 'websocket'])('refuses by its own allowRequest over %s, after admission', async transport => {
    const seen: unknown[] = [];
    const app = await start(
      { authenticate: request => (request.headers['x-who'] === 'bad' ? null : 'anonymous') },
      {
        allowRequest: (request, done) => {
          seen.push(request.headers['x-who']);
          done('no entry', request.headers['x-who'] === 'good');
        },
      },
    );
    const as = (who: string) => app.connected({ transports: [transport], extraHeaders: { 'x-who': who } });
    await expect(as('bad')).rejects.toThrow(/error/);
    await expect(as('other')).rejects.toThrow(/error/);
    await as('good');
    expect([seen, app.connections.count]).toEqual([['other', 'good'], 1]);
  });

  it.each<[string, Partial<ServerOptions>, string, string | undefined, number]>([
    ['nothing', {}, 'none', undefined, 200],
    ['nothing', {}, 'https://evil.example', undefined, 403],
    ['no origin', { cors: { credentials: true } }, 'https://evil.example', undefined, 403],
    [
      'no origin',
      { cors: (_request: unknown, done: CorsDone) => done(null, {}) },
      'https://evil.example',
      undefined,
      403,
    ],
    ['a list', { cors: { origin: ['https://a.example', /\.b\.example$/] } }, 'https://x.b.example', undefined, 200],
    ['a list', { cors: { origin: ['https://a.example'] } }, 'https://evil.example', undefined, 403],
    ['all', { cors: { origin: '*' } }, 'https://evil.example', undefined, 200],
    [
      'a function',
      { cors: { origin: (origin, done) => done(null, origin === 'https://f.example') } },
      'https://f.example',
      undefined,
      200,
    ],
    [
      'a function',
      { cors: { origin: (origin, done) => done(null, origin === 'https://f.example') } },
      'https://g.example',
      undefined,
      403,
    ],
  ])('with %s in cors decides about origins over both transports', async (_what, server, origin, _none, status) => {
    const app = await start({}, server);
    const headers: Record<string, string> = origin === 'none' ? {} : { origin };
    expect((await refusalOf(app, headers)).status).toBe(status);
    const upgraded = new WebSocket(`ws://127.0.0.1:${app.port}/socket.io/?EIO=4&transport=websocket`, { headers });
    const answer = await new Promise<number | undefined>(resolve => {
      upgraded
        .on('open', () => resolve(200))
        .on('unexpected-response', (_request, response) => {
          resolve(response.statusCode);
          response.destroy();
        });
    });
    upgraded.on('error', () => undefined).terminate();
    expect(answer).toBe(status);
  });

  it('is advised to change the option that has refused an origin', async () => {
    const app = await start({}, { cors: { origin: 'https://a.example' } });
    const { body } = await polling(app, { origin: 'https://b.example' }).ask('GET');
    expect(JSON.parse(body)).toMatchObject({ detail: expect.stringContaining('option "cors.origin" decides') });
    expect(JSON.stringify(app.logger.lines)).toMatch(/add ..https:..b.example.. to the option cors.origin/);
  });

  it.each<[string, Partial<ServerOptions>, RegExp]>([
    ['allowEIO3', { allowEIO3: true }, /allowEIO3 is true but is not supported/],
    ['WebTransport', { transports: ['polling', 'webtransport'] }, /must not include "webtransport"/],
    ['a wsEngine', { wsEngine: WebSocketServer }, /wsEngine/],
  ])('with %s does not start', async (_what, server, message) => {
    const module = await Test.createTestingModule({
      imports: [HeartbeatModule.forRoot({ load: NO_LOAD })],
      providers: [PlainGateway],
    }).compile();
    const app = module.createNestApplication({ logger: false });
    app.useWebSocketAdapter(new HeartbeatIoAdapter(app, server));
    await expect(app.init()).rejects.toThrow(message);
    await app.close();
  });
});
