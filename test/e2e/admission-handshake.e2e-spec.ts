/** The hooks of a gateway in the handshake, `verifyClient` and `handleProtocols` of `ws`, leave no gap in admission. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { type Authentication, BanList, type HeartbeatOptions } from 'nestjs-heartbeat';
import { TestApp } from '../support/servers/app.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';

type Done = (isGood: boolean, status?: number, text?: string) => void;

/** The behaviour of the gateway's hooks in this test. */
const hooks = {
  verify: (done: Done): unknown => done(true),
  protocols: (): string | false => false,
};
/** The clients that wait for `verifyClient`. */
const waiting: Done[] = [];

@WebSocketGateway({
  path: '/ws',
  // Two parameters: it calls back.
  verifyClient: (_info: unknown, done: Done) => hooks.verify(done),
  handleProtocols: () => hooks.protocols(),
})
class Gateway {
  @SubscribeMessage('echo')
  echo(_client: unknown, data: unknown) {
    return { event: 'echo', data };
  }
}

beforeEach(() => {
  waiting.length = 0;
  hooks.verify = done => done(true);
  hooks.protocols = () => false;
});
afterEach(() => TestApp.closeAll());

function start(options: HeartbeatOptions = {}): Promise<TestApp> {
  return TestApp.start({ gateways: [Gateway], options });
}

/** The user in the query. */
function byQuery({ url = '' }: IncomingMessage): Authentication {
  const user = new URLSearchParams(url.split('?')[1]).get('user');
  return user === null ? 'anonymous' : { userId: user };
}

/** Holds every handshake until all have begun, so that no connection exists when the others are checked. */
async function openTogether(clients: readonly RawClient[]): Promise<Record<number, number>> {
  hooks.verify = done => waiting.push(done);
  let refused = 0;
  const opening = clients.map(async client => {
    const answer = await client.open();
    if (answer.status !== 101) refused++;
    return answer;
  });
  // An upgrade that waits holds its place, so that others may be refused at once.
  await until(() => waiting.length + refused === clients.length);
  for (const done of waiting.splice(0)) done(true);
  const counts: Record<number, number> = {};
  for (const { status } of await Promise.all(opening)) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

async function expectServed(client: RawClient): Promise<void> {
  const before = client.messages.length;
  client.sendEvent('echo', 1);
  await until(() => client.messages.length > before || client.socket.destroyed);
  expect(client.closeFrame).toBeNull();
  expect(client.messages).toHaveLength(before + 1);
}

describe('A verifyClient that takes its time', () => {
  it.each<[string, HeartbeatOptions, string, number]>([
    ['maxConnections', { limits: { maxConnections: 5 } }, '/ws', 503],
    ['maxPerIp', { limits: { maxPerIp: 5 } }, '/ws', 429],
    ['maxPerUser', { limits: { maxPerUser: 5 }, authenticate: byQuery }, '/ws?user=ann', 429],
  ])('admits no client beyond %s', async (_, options, path, status) => {
    const app = await start(options);
    const clients = Array.from({ length: 40 }, () => app.client({ path }));
    expect(await openTogether(clients)).toEqual({ 101: 5, [status]: 35 });
    expect(app.connections.count).toBe(5);
  });

  it('leaves a user no more than replace-oldest grants', async () => {
    const app = await start({ limits: { maxPerUser: 5, onUserLimit: 'replace-oldest' }, authenticate: byQuery });
    const clients = Array.from({ length: 40 }, () => app.client({ path: '/ws?user=ann' }));
    expect(await openTogether(clients)).toEqual({ 101: 40 });
    await until(() => app.connections.findByUser('ann').length === 5);
    expect(clients.filter(({ closeFrame }) => closeFrame?.code === 4502)).toHaveLength(35);
  });

  it('refuses a client that was banned meanwhile', async () => {
    const app = await start();
    hooks.verify = done => waiting.push(done);
    const answer = app.client().open();
    await until(() => waiting.length === 1);
    app.app.get(BanList).ban({ kind: 'ip', value: '127.0.0.1', forMs: 60_000 });
    waiting[0]?.(true);
    expect((await answer).status).toBe(403);
    expect(app.connections.count).toBe(0);
  });

  it('keeps no slot for a client that has disconnected meanwhile', async () => {
    const app = await start({ limits: { maxConnections: 1 } });
    hooks.verify = done => waiting.push(done);
    const client = app.client();
    await client.connect();
    client.sendRaw(client.handshake());
    await until(() => waiting.length === 1);
    client.reset();
    await client.ended;
    waiting[0]?.(true);
    hooks.verify = done => done(true);
    await expectServed(await until(async () => app.opened().catch(() => null)));
    expect(app.connections.count).toBe(1);
  });
});

describe('A refused client', () => {
  const ONE: HeartbeatOptions = { limits: { maxPerUser: 1, onUserLimit: 'replace-oldest' }, authenticate: byQuery };

  it.each<[string, (done: Done) => unknown, number]>([
    ['verifyClient refuses it', done => done(false, 402), 402],
    [
      'verifyClient throws',
      () => {
        throw new Error('on purpose');
      },
      500,
    ],
    ['verifyClient rejects', () => Promise.reject(new Error('on purpose')), 500],
  ])('because %s replaces no connection', async (_, verify, status) => {
    const app = await start(ONE);
    const first = await app.opened({ path: '/ws?user=ann' });
    hooks.verify = verify;
    expect((await app.client({ path: '/ws?user=ann' }).open()).status).toBe(status);
    await expectServed(first);
    expect(app.connections.count).toBe(1);
  });

  it('because it resets within the handshake replaces no connection', async () => {
    const app = await start(ONE);
    const first = await app.opened({ path: '/ws?user=ann' });
    hooks.verify = done => waiting.push(done);
    const second = app.client({ path: '/ws?user=ann' });
    await second.connect();
    second.sendRaw(second.handshake());
    await until(() => waiting.length === 1);
    second.reset();
    await second.ended;
    // The server has noticed it once a later client has been answered.
    hooks.verify = done => done(false, 402);
    await app.client().open();
    waiting[0]?.(true);
    await expectServed(first);
    expect(app.connections.findByUser('ann').length).toBe(1);
  });

  it.each(['at once', 'later'])('because handleProtocols throws affects no other client (%s)', async when => {
    const app = await start(ONE);
    const first = await app.opened({ path: '/ws?user=ann' });
    hooks.protocols = () => {
      throw new Error('on purpose');
    };
    if (when === 'later') hooks.verify = done => waiting.push(done);
    const second = app.client({ path: '/ws?user=ann', headers: { 'Sec-WebSocket-Protocol': 'one' } });
    await second.connect();
    second.sendRaw(second.handshake());
    if (when === 'later') await until(() => waiting.length === 1);
    for (const done of waiting) expect(() => done(true)).not.toThrow();
    await until(() => second.socket.destroyed, { message: 'the end of a handshake that failed' });
    await expectServed(first);
    expect(app.logged('error').join()).toContain('on purpose');
  });
});

describe('refuseWith "close" beside a verifyClient that calls back', () => {
  it('closes with a code, and counts once', async () => {
    const app = await start({ limits: { maxConnections: 1, refuseWith: 'close' } });
    const first = await app.opened();
    const events = app.recordEvents();
    const second = app.client();
    expect((await second.open()).status).toBe(101);
    expect(await second.ended).toMatchObject({
      code: 1013,
      reason: expect.stringMatching(/^at-capacity; retry-after=/),
    });
    expect(events.filter(({ type }) => type === 'refused')).toHaveLength(1);
    await expectServed(first);
  });
});
