/** Anonymous clients can write into the log only a few lines of visible characters, whatever their number and input. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type PipeTransform, UsePipes } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import type { HeartbeatOptions } from 'nestjs-heartbeat';
import { once } from 'node:events';
import { connect } from 'node:net';
import { throwError } from 'rxjs';
import { TestApp, type TestAppOptions } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';

const CLIENTS = 200;
/** Input of a hostile client: a forged line, a terminal's command, a right-to-left override. */
const HOSTILE = 'a\r\n[Nest] ERROR forged \u001b[2J\u009b31m\u202e\u2028';

function fail(text: string): never {
  throw new Error(`jwt malformed: ${text}`);
}

class FailingPipe implements PipeTransform {
  transform(value: unknown): never {
    return fail(String(value));
  }
}

@WebSocketGateway({ path: '/ws' })
class FailingGateway {
  @SubscribeMessage('throw')
  throws(@MessageBody() data: string): never {
    return fail(data);
  }

  @SubscribeMessage('reject')
  async rejects(@MessageBody() data: string): Promise<never> {
    return fail(data);
  }

  @SubscribeMessage('parse')
  parses(@MessageBody() data: string): unknown {
    return JSON.parse(data);
  }

  @SubscribeMessage('stream')
  streams(@MessageBody() data: string) {
    return throwError(() => new Error(data));
  }

  @SubscribeMessage('unsendable')
  unsendable(): unknown {
    return { event: 'big', data: 1n };
  }

  @SubscribeMessage('refuse')
  refuses(@MessageBody() data: string): never {
    throw new WsException(data);
  }

  @UsePipes(new FailingPipe())
  @SubscribeMessage('pipe')
  pipes(@MessageBody() data: string): string {
    return data;
  }
}

@WebSocketGateway({ path: '/hooks' })
class FailingHooks {
  handleConnection(_client: unknown, request: { headers: { 'user-agent'?: string } }): never {
    return fail(request.headers['user-agent'] ?? '');
  }

  async handleDisconnect(): Promise<never> {
    return fail(HOSTILE);
  }
}

@WebSocketGateway({ path: '/verify', verifyClient: () => fail(HOSTILE) })
class FailingVerifyClient {}

@WebSocketGateway({ path: '/protocols', handleProtocols: () => fail(HOSTILE) })
class FailingProtocols {}

class FailingGuard implements CanActivate {
  canActivate(): boolean {
    return fail(HOSTILE);
  }
}

class RejectingGuard implements CanActivate {
  async canActivate(): Promise<boolean> {
    return fail(HOSTILE);
  }
}

const gateways = [FailingGateway, FailingHooks, FailingVerifyClient, FailingProtocols];

/** The lines of an application after something happened, without those of its start. */
async function linesOf(given: TestAppOptions, happen: (app: TestApp) => Promise<void>): Promise<string[]> {
  const app = await TestApp.start({ gateways, ...given });
  const before = app.lines.length;
  await happen(app);
  await app.close();
  const lines = app.lines.slice(before).filter(({ text }) => !/ drain begins| drain ended|^drain /.test(text));
  for (const { level, text } of lines) {
    const shown = level === 'debug' ? text.replaceAll(/\n {4}at /g, ' ') : text;
    expect(shown).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  }
  return lines.filter(({ level }) => level !== 'debug').map(({ text }) => text);
}

/** Upgrades, by tens. */
async function knock(app: TestApp, options: Parameters<TestApp['client']>[0] | ((index: number) => object)) {
  for (let done = 0; done < CLIENTS; done += 10) {
    const clients = Array.from({ length: 10 }, (_, index) =>
      app.client(typeof options === 'function' ? options(done + index) : options),
    );
    // Some are cut off instead of answered.
    await Promise.allSettled(clients.map(client => client.open()));
    for (const client of clients) client.destroy();
  }
}

/** Bytes on connections of their own, until the server has closed each. */
async function pour(app: TestApp, bytes: string) {
  for (let index = 0; index < CLIENTS; index++) {
    const socket = connect(app.port, '127.0.0.1').on('error', () => undefined);
    socket.resume().end(bytes, 'latin1');
    await once(socket, 'close');
  }
}

const inventedOrigin = (index: number) => ({ path: '/ws', headers: { Origin: `https://evil-${index}.example` } });

const noOrigin = (index: number) => ({ path: '/ws', headers: { Origin: `evil \u009b2J${index}` } });

const proxyHeader = (index: number) => ({ path: '/ws', headers: { 'X-Forwarded-For': `evil \u009b2J${index}` } });

const messageParser = (data: unknown) => fail(String(data));

afterEach(() => TestApp.closeAll());

describe('The log', () => {
  const failing: Record<string, HeartbeatOptions['authenticate']> = {
    throws: () => fail(HOSTILE),
    rejects: async () => fail(HOSTILE),
    'throws what is no error': () => {
      throw HOSTILE;
    },
    'fails in JSON.parse': () => JSON.parse(`{"a":${HOSTILE}}`) as null,
    'returns no identity': () => ({ userId: 7 }) as never,
  };
  it.each(Object.entries(failing))(
    'has two lines for 200 upgrades where authenticate %s',
    async (_what, authenticate) => {
      const lines = await linesOf({ options: { authenticate } }, app => knock(app, { path: '/ws' }));
      expect(lines).toHaveLength(2);
      expect(lines[1]).toMatch(/^authenticate failed: 199 more in 60 s, not shown/);
    },
  );

  it.each<[string, string, number]>([
    ['a verifyClient that throws', '/verify', 2],
    ['a handleProtocols that throws', '/protocols', 2],
    ['a path that no gateway serves', `/${encodeURIComponent(HOSTILE)}`, 0],
  ])('has at most two lines for 200 upgrades to %s', async (_what, path, most) => {
    const headers = { 'Sec-WebSocket-Protocol': 'one' };
    expect(await linesOf({}, app => knock(app, { path, headers }))).toHaveLength(most);
  });

  it('has at most four lines for 200 clients whose hooks throw', async () => {
    const headers = { 'User-Agent': 'evil \u009b2J' };
    const lines = await linesOf({}, app => knock(app, { path: '/hooks', headers }));
    expect(lines).toHaveLength(4);
  });

  it('has a few lines for 200 origins', async () => {
    expect((await linesOf({}, app => knock(app, inventedOrigin))).length).toBeLessThanOrEqual(12);
    expect(await linesOf({}, app => knock(app, noOrigin))).toHaveLength(2);
  });

  it('has one line for 200 untrusted proxy headers', async () => {
    const options = { limits: { maxPerIp: 1000 } };
    expect(await linesOf({ options }, app => knock(app, proxyHeader))).toHaveLength(1);
  });

  it.each(['throw', 'reject', 'parse', 'stream', 'unsendable', 'pipe', 'refuse', 'unknown'])(
    'has at most two lines for 200 messages to the handler %j',
    async event => {
      const lines = await linesOf({}, async app => {
        const client = await app.opened({ path: '/ws' });
        for (let index = 0; index < CLIENTS; index++) client.sendEvent(event, `${index} ${HOSTILE}`);
        await until(() => app.connections.list().items[0]?.messagesIn === CLIENTS);
        client.sendEvent('last');
        await until(() => client.texts.some(text => text.includes('the event \\"last')));
      });
      expect(lines.length).toBeLessThanOrEqual(2);
    },
  );

  it('has two lines for 200 messages that the parser throws at', async () => {
    const lines = await linesOf({ messageParser }, async app => {
      const client = await app.opened({ path: '/ws' });
      for (let index = 0; index < CLIENTS; index++) client.sendText(HOSTILE);
      await until(() => app.connections.list().items[0]?.messagesIn === CLIENTS);
    });
    expect(lines).toHaveLength(2);
  });

  it.each([
    ['throws', FailingGuard],
    ['rejects', RejectingGuard],
  ])('has two lines for 200 admin requests where a guard of the application %s', async (_what, adminGuard) => {
    const lines = await linesOf({ options: { adminGuard }, providers: [adminGuard] }, app =>
      pour(app, 'GET /admin/connections HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    );
    expect(lines).toHaveLength(2);
  });

  it.each([
    ['no HTTP', '\u001b[2J\u0000\r\n\r\n'],
    ['a request with a broken path', 'GET /%E0%A4%A HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['an upgrade without a key', 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    [
      'frames of a wrong protocol',
      'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\u00ff\u00ff\u00ff\u00ff',
    ],
  ])('has no line for 200 times %s', async (_what, bytes) => {
    expect(await linesOf({}, app => pour(app, bytes))).toEqual([]);
  });

  it.each([
    [
      'a request for an admin route with a broken path',
      'GET /admin/connections/%E0%A4%A HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    ],
    [
      'a body that is no JSON',
      'POST /admin/bans HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{\u001b\u009b2J',
    ],
  ])('has one line of the audit trail for 200 times %s', async (_what, bytes) => {
    expect(await linesOf({}, app => pour(app, bytes))).toEqual([expect.stringContaining('"count":200')]);
  });
});
