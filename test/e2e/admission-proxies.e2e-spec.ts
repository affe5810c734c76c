/** Clients behind Unix sockets and balancers: addresses in one spelling, refusals that a balancer understands, delays drawn for each. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import {
  BanList,
  Connection,
  ConnectionService,
  CurrentConnection,
  DrainService,
  type HeartbeatOptions,
} from 'nestjs-heartbeat';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { TestApp } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';

@WebSocketGateway({ path: '/ws' })
class Gateway {
  @SubscribeMessage('identify')
  identify(@CurrentConnection() connection: Connection) {
    connection.identify({ userId: 'ann' });
    return { event: 'identified' };
  }
}

const folders: string[] = [];
afterEach(async () => {
  await TestApp.closeAll();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

const start = (options: HeartbeatOptions) => TestApp.start({ gateways: [Gateway], options });

/** An application that listens on a Unix socket, and what opens connections to it. */
async function onUnixSocket(options: HeartbeatOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'heartbeat-'));
  folders.push(folder);
  const path = join(folder, 'app.sock');
  const app = await TestApp.prepare({ gateways: [Gateway], options });
  await app.app.listen(path);
  const open = async (forwardedFor?: string) => {
    const headers = forwardedFor === undefined ? {} : { 'X-Forwarded-For': forwardedFor };
    const client = new WebSocket(`ws+unix://${path}:/ws`, { headers });
    app.onClose(() => client.terminate());
    client.on('error', () => undefined);
    return new Promise<{ status: number; client: WebSocket }>(resolve => {
      client.on('open', () => resolve({ status: 101, client }));
      client.on('unexpected-response', (request, { statusCode = 0 }: IncomingMessage) => {
        request.destroy();
        resolve({ status: statusCode, client });
      });
    });
  };
  return { app, open };
}

const ipsOf = (app: TestApp, ip?: string) =>
  app.app
    .get(ConnectionService)
    .list(ip === undefined ? {} : { filter: { ip } })
    .items.map(item => item.ip);

describe('Clients of a Unix socket', () => {
  it('have the address unix:, and count as one with a warning where limits by address are on', async () => {
    const { app, open } = await onUnixSocket({ limits: { maxPerIp: 2 } });
    const statuses = [await open('203.0.113.1'), await open('203.0.113.2'), await open('203.0.113.3')];
    expect(statuses.map(({ status }) => status)).toEqual([101, 101, 429]);
    expect([ipsOf(app), ipsOf(app, 'unix:'), ipsOf(app, '::/0')]).toEqual([['unix:', 'unix:'], ['unix:', 'unix:'], []]);
    expect(app.logged('warn').filter(line => line.includes('unix:'))).toHaveLength(1);
  });

  it('have the addresses that the proxy reports where unix: is trusted', async () => {
    const { app, open } = await onUnixSocket({ limits: { maxPerIp: 1 }, trustedProxies: ['unix:'] });
    const clients = ['203.0.113.1', '1.1.1.1, 203.0.113.2', '2001:DB8:0::7', '203.0.113.9, unix:', undefined];
    for (const client of clients) expect((await open(client)).status).toBe(101);
    expect(ipsOf(app).toSorted()).toEqual(['2001:db8::7', '203.0.113.1', '203.0.113.2', '203.0.113.9', 'unix:']);
    expect(app.logged('warn')).toEqual([]);
  });

  it.each(['2001:0db8:0000:0000:0000:0000:0000:0007', '2001:DB8::7', '[2001:db8:0::7%eth0]:4711', '2001:db8::0.0.0.7'])(
    'are the same client to limits, lists and bans, whatever the spelling: %s',
    async spelling => {
      const { app, open } = await onUnixSocket({
        limits: { maxPerIp: 1, ipv6PrefixBits: 128 },
        trustedProxies: ['unix:'],
      });
      const { client } = await open(spelling);
      expect((await open('2001:db8::7')).status).toBe(429);
      for (const filter of ['2001:db8::7', '2001:DB8:0:0:0:0:0:7', '2001:0db8::/32']) {
        expect(ipsOf(app, filter)).toEqual(['2001:db8::7']);
      }
      const closed = new Promise<number>(resolve => void client.on('close', resolve));
      app.app.get(BanList).ban({ kind: 'ip', value: '2001:0DB8:0:0::0007', forMs: 60_000 });
      expect(await closed).toBe(4501);
      expect((await open(spelling)).status).toBe(403);
    },
  );
});

/** A client of a proxy. */
const viaProxy = { headers: { 'X-Forwarded-For': '203.0.113.7' } };

describe('refuseWith "close"', () => {
  const close = { limits: { refuseWith: 'close' as const, maxConnections: 1 } };

  it.each<[string, HeartbeatOptions, object, number]>([
    ['through a trusted proxy by HTTP', { trustedProxies: ['127.0.0.1'] }, viaProxy, 503],
    ['through a trusted proxy without its header by HTTP', { trustedProxies: ['127.0.0.0/8'] }, {}, 503],
    ['through a proxy that is not trusted by a code', { trustedProxies: ['10.0.0.0/8'] }, viaProxy, 101],
    ['without a proxy by a code', {}, {}, 101],
  ])('refuses what another node could serve %s', async (_what, options, client, status) => {
    const full = await start({ ...close, ...options });
    const occupant = await full.opened(client);
    const answer = await full.client(client).open();
    expect([answer.status, 'retry-after' in answer.headers]).toEqual([status, status === 503]);
    await full.close();
    expect(occupant.socket.destroyed).toBe(true);

    const draining = await start({ limits: { refuseWith: 'close' }, ...options });
    await draining.app.get(DrainService).start('a test');
    const refused = draining.client(client);
    const { status: found, body } = await refused.open();
    expect([found, body.includes(':draining"')]).toEqual([status, status === 503]);
    expect((await refused.ended).code).toBe(status === 503 ? 1006 : 1001);
  });

  it('refuses what every node would refuse by a code, also through a proxy', async () => {
    const app = await start({ limits: { refuseWith: 'close', maxPerIp: 1 }, trustedProxies: ['127.0.0.1'] });
    await app.opened(viaProxy);
    const { code, reason } = await (await app.opened(viaProxy)).ended;
    expect([code, reason]).toEqual([1013, expect.stringMatching(/^ip-limit; retry-after=\d+$/)]);
  });

  it.each([
    ['as they are', 'unpaid since May, call 555-0100', 'unpaid since May, call 555-0100'],
    ['cut at 123 bytes', 'ü'.repeat(100), 'ü'.repeat(61)],
    ['by default', undefined, 'banned'],
  ])('closes with 4501 and the words of the ban %s', async (_what, reason, told) => {
    const app = await start({ limits: { refuseWith: 'close' } });
    const ban = { kind: 'ip', value: '127.0.0.1', forMs: 60_000 } as const;
    app.app.get(BanList).ban(reason === undefined ? ban : { ...ban, reason });
    expect(await (await app.opened()).ended).toMatchObject({ code: 4501, reason: told });
  });
});

describe('load.closeCode 4006', () => {
  it.each<[string, HeartbeatOptions['limits'], string]>([
    ['a full node', { maxConnections: 1 }, 'at-capacity'],
    ['a full address', { maxPerIp: 1 }, 'ip-limit'],
  ])('is sent by %s', async (_what, limits, name) => {
    const app = await start({ limits: { ...limits, refuseWith: 'close' }, load: { closeCode: 4006 } });
    await app.opened();
    const { code, reason } = await (await app.opened()).ended;
    expect([code, reason.split(';')[0]]).toEqual([4006, name]);
  });

  it('is sent to a client that identifies as a user that has all its connections', async () => {
    const app = await start({ limits: { maxPerUser: 1 }, load: { closeCode: 4006 } });
    const [first, second] = [await app.opened(), await app.opened()];
    first.sendEvent('identify');
    await until(() => first.texts.length > 0);
    second.sendEvent('identify');
    expect(await second.ended).toMatchObject({
      code: 4006,
      reason: expect.stringMatching(/^user-limit; retry-after=/),
    });
  });
});

describe('The advised delay', () => {
  it.each<[string, number | undefined, number]>([
    ['8 s', 0, 8],
    ['the default window', undefined, 10],
    ['a longer window', 60_000, 60],
  ])('is drawn for each refused client, from 2 s to %s', async (_what, returnWindowMs, most) => {
    const app = await start({
      limits: { maxConnections: 1 },
      ...(returnWindowMs !== undefined && { drain: { returnWindowMs } }),
    });
    await app.opened();
    const answers = await Promise.all(Array.from({ length: 40 }, () => app.client().open()));
    const delays = answers.map(({ headers }) => Number(headers['retry-after']));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...delays)).toBeLessThanOrEqual(most);
    expect(new Set(delays).size).toBeGreaterThan(3);
  });

  it('is drawn in milliseconds for a refusal by a close code', async () => {
    const app = await start({ limits: { maxConnections: 1, refuseWith: 'close' } });
    await app.opened();
    const clients = await Promise.all(Array.from({ length: 40 }, () => app.opened()));
    const reasons = await Promise.all(clients.map(async client => (await client.ended).reason));
    expect(new Set(reasons).size).toBeGreaterThan(30);
  });
});
