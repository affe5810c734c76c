/** Why was a connection closed? The verdict and the flight record of `GET /admin/closed/:id`, for ends that real clients cause. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ClosedView,
  Connection,
  type ConnectionDetail,
  ConnectionService,
  CurrentConnection,
  DrainService,
  type HeartbeatOptions,
} from 'nestjs-heartbeat';
import { Opcode } from '../../apps/loadtest/src/frames.js';
import { until } from '../support/assert/until.js';
import { Clients } from '../support/clients/clients.js';
import type { RawClient, RawClientOptions } from '../support/clients/raw-client.js';
import { AdminApp, PLATFORMS, TOKENS } from '../support/servers/admin-app.js';
import { beat } from '../support/servers/app.js';

@WebSocketGateway({ path: '/ws' })
class ActingGateway {
  @SubscribeMessage('leave')
  leave(@CurrentConnection() connection: Connection): void {
    connection.close(4321, 'ours');
  }

  @SubscribeMessage('work')
  async work(@MessageBody() forMs: number): Promise<void> {
    await sleep(forMs);
  }
}

const KIB = 1024;
const [, express] = PLATFORMS[0]!;
const AT = String.raw`at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;

async function start(options: HeartbeatOptions): Promise<AdminApp> {
  const all = { admin: { tokens: TOKENS }, ...options };
  return AdminApp.start(express, all, undefined, { providers: [ActingGateway] });
}

/** A client, and the id of its connection. */
async function opened(admin: AdminApp, path = '/ws', options: Partial<RawClientOptions> = {}) {
  const before = new Set((await admin.list()).items.map(({ id }) => id));
  const client = await admin.open(path, options);
  const { items } = await admin.list();
  return { client, id: items.find(({ id }) => !before.has(id))!.id };
}

async function recordOf(admin: AdminApp, id: string): Promise<ClosedView> {
  await until(async () => (await admin.ask(`closed/${id}`)).status === 200);
  return (await admin.ask(`closed/${id}`, 'see')).json as ClosedView;
}

const kindsOf = ({ flight }: Pick<ClosedView, 'flight'>) => flight.map(({ kind }) => kind);

describe('the verdict', () => {
  let admin: AdminApp;

  beforeAll(async () => {
    admin = await start({
      heartbeat: beat(1000, 300),
      limits: { messagesPerSecond: 20, maxInFlight: 1, maxMessageBytes: 32 * KIB },
      backpressure: { maxBufferedBytes: 64 * KIB },
      drain: { closeTimeoutMs: 300 },
    });
  });
  afterAll(async () => {
    await Clients.stopAll();
    await AdminApp.closeAll();
  });

  interface Case {
    readonly title: string;
    readonly path?: string;
    readonly act: (client: RawClient, id: string) => unknown;
    readonly code: number;
    readonly verdict: string;
    readonly kinds: readonly string[];
  }
  const CASES: readonly Case[] = [
    {
      title: 'a close of the client',
      act: client => client.close(1000, 'bye'),
      code: 1000,
      verdict: `The client closed it itself with 1000 \\(normal closure\\) and the reason "bye" ${AT}`,
      kinds: ['opened', 'closed'],
    },
    {
      title: 'a reset',
      act: client => client.reset(),
      code: 1006,
      verdict: `The connection was lost without a close frame ${AT}: the client, or a device on the way, reset it \\(ECONNRESET\\); its last byte came [\\d.]+ m?s earlier`,
      kinds: ['opened', 'error', 'closed'],
    },
    {
      title: 'a client that leaves without a close frame',
      act: client => client.socket.end(),
      code: 1006,
      verdict: `The connection was lost without a close frame ${AT}: the side of the client ended it; its last byte came [\\d.]+ m?s earlier`,
      kinds: ['opened', 'closed'],
    },
    {
      title: 'a kick',
      act: (_client, id) => admin.kick(id, 'reason=spam'),
      code: 4500,
      verdict: `An operator \\(ops\\) kicked it with 4500 and the reason "spam" ${AT}`,
      kinds: ['opened', 'kicked', 'closed'],
    },
    {
      title: 'a ban of its user',
      path: '/ws?user=mallory',
      act: () =>
        admin.ask('bans', 'do', {
          method: 'POST',
          headers: { authorization: 'Bearer do', 'content-type': 'application/json' },
          body: JSON.stringify({ kind: 'user', value: 'mallory', forMs: 60_000, reason: 'abuse' }),
        }),
      code: 4501,
      verdict: `An operator \\(ops\\) banned the user "mallory" \\(ban \\S+\\), so the client was closed with 4501 and the reason "abuse" ${AT}`,
      kinds: ['opened', 'identified', 'banned', 'closed'],
    },
    {
      title: 'a close of the application',
      act: client => client.sendEvent('leave'),
      code: 4321,
      verdict: `The application closed it with 4321 and the reason "ours" ${AT}`,
      kinds: ['opened', 'application', 'closed'],
    },
    {
      title: 'too many messages',
      act: client => {
        for (let sent = 0; sent < 100; sent++) client.sendEvent('nothing');
      },
      code: 4004,
      verdict: `The client sent more than limits\\.messagesPerSecond allows \\(20\\), so the server closed it with 4004 ${AT}`,
      kinds: ['opened', 'refused', 'limit', 'closed'],
    },
    {
      title: 'too large a message',
      act: client => client.sendText('x'.repeat(33 * KIB)),
      code: 1009,
      verdict: `The client sent a message over limits\\.maxMessageBytes \\(Max payload size exceeded\\), so the server closed it with 1009 ${AT}`,
      kinds: ['opened', 'error', 'closed'],
    },
    {
      title: 'a violation of the protocol',
      act: client => client.sendFrame({ opcode: Opcode.text, payload: 'bare', mask: false }),
      code: 1002,
      verdict: `The client violated the WebSocket protocol \\(.*MASK must be set\\), so the server closed it with 1002 ${AT}`,
      kinds: ['opened', 'error', 'closed'],
    },
    {
      title: 'a client that does not read',
      act: async (client, id) => {
        client.pause();
        const connections = admin.app.get(ConnectionService);
        const piece = Buffer.alloc(16 * KIB);
        await until(() => {
          for (let sent = 0; sent < 64 && connections.get(id) !== undefined; sent++)
            connections.send(id, piece).catch(() => undefined);
          const [record] = connections.closedHistory({ limit: 1 });
          return record?.id === id;
        });
      },
      code: 4003,
      verdict: `The client read too slowly: \\d+ bytes in \\d+ messages waited for it, and 16384 more would exceed backpressure\\.maxBufferedBytes \\(65536\\), so the server closed it with 4003 ${AT}`,
      kinds: ['opened', 'full', 'closed'],
    },
  ];

  it.each(CASES.map(one => [one.title, one] as const))('of %s', async (_title, { path, act, ...expected }) => {
    const { client, id } = await opened(admin, path);
    await act(client, id);
    const record = await recordOf(admin, id);
    expect(record.code).toBe(expected.code);
    expect(record.verdict).toMatch(new RegExp(`^${expected.verdict}(; the server itself was stalled for [^;]+)?\\.$`));
    // A busy machine may stall the server, and pings are answered meanwhile.
    expect(kindsOf(record).filter(kind => kind !== 'stall' && kind !== 'pings')).toEqual(expected.kinds);
    expect(record.flight.at(-1)).toMatchObject({ kind: 'closed', code: expected.code, by: record.closedBy });
  });

  it('of a client whose process is stopped: its pings stay unanswered', async () => {
    const clients = new Clients();
    await clients.open({ port: admin.port, count: 1 });
    const { id } = (await admin.list()).items.at(-1)!;
    await until(async () => (await detailOf(admin, id)).flight.some(({ kind }) => kind === 'pings'));
    process.kill(clients.pid, 'SIGSTOP');
    const record = await recordOf(admin, id);
    process.kill(clients.pid, 'SIGCONT');
    expect(kindsOf(record).filter(kind => kind !== 'stall')).toEqual(['opened', 'pings', 'missed', 'missed', 'closed']);
    expect(record.verdict).toMatch(
      new RegExp(
        `^The client stopped answering: 2 pings in a row stayed unanswered for 300 ms each, so the server ended the connection ${AT} \\(4000\\); its last byte came [\\d.]+ s earlier`,
      ),
    );
  });

  it('of input that tries to break it is one line, and so is each entry', async () => {
    const text = 'a"\n\r\u2028\u202e\u001b[31m." The end.';
    const { client, id } = await opened(admin, `/ws?user=${encodeURIComponent(text)}`, {
      headers: { 'User-Agent': 'agent "\u00a0\u00ad" The end.' },
    });
    client.close(4999, text);
    const { verdict = '', flight } = await recordOf(admin, id);
    for (const line of [verdict, ...flight.map(({ what }) => what)]) expect(line).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    expect(verdict).toContain(String.raw`and the reason "a\"\n\r\u2028\u202e\u001b[31m.\" The end." at 2`);
  });
});

async function detailOf(admin: AdminApp, id: string): Promise<ConnectionDetail> {
  return (await admin.ask(`connections/${id}`)).json as ConnectionDetail;
}

describe('the flight record of a live connection', () => {
  afterEach(() => AdminApp.closeAll());

  it('has pings, missed pings, pauses and refused messages, each kind in one entry', async () => {
    const admin = await start({ heartbeat: beat(400, 300, 5), limits: { maxInFlight: 1 } });
    const { client, id } = await opened(admin);
    for (let sent = 0; sent < 50; sent++) client.sendText('no json');
    await until(async () => (await detailOf(admin, id)).flight.some(({ kind }) => kind === 'pings'));
    // The second message waits for the handler of the first, and the socket is not read.
    for (let sent = 0; sent < 2; sent++) client.sendEvent('work', 2200);
    await until(async () => (await detailOf(admin, id)).flight.some(({ kind }) => kind === 'resumed'));
    const { flight } = await detailOf(admin, id);
    expect(flight.filter(({ kind }) => kind !== 'stall' && kind !== 'missed' && kind !== 'answered')).toEqual([
      expect.objectContaining({ kind: 'opened' }),
      expect.objectContaining({
        kind: 'refused',
        reason: 'not-json',
        count: 50,
        what: '50 messages refused: not-json',
      }),
      ...['paused', 'resumed', 'pings'].map(() => expect.anything()),
    ]);
    const found = Object.fromEntries(flight.map(entry => [entry.kind, entry]));
    expect(found['paused']).toMatchObject({ inFlight: 1 });
    expect(found['resumed']?.['pausedMs']).toBeGreaterThanOrEqual(1000);
    expect(found['pings']?.['answered']).toBeGreaterThan(0);
  });

  it('has a stall of the server, and of no connection that opened later', async () => {
    const admin = await start({ heartbeat: beat(5000, 1000) });
    const { client, id } = await opened(admin);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900);
    const stalls = async (of: string) => (await detailOf(admin, of)).flight.filter(({ kind }) => kind === 'stall');
    await until(async () => (await stalls(id)).length > 0);
    const [stall] = await stalls(id);
    expect(stall?.what).toMatch(/^the server was stalled for \d+ ms$/);
    expect(stall?.['stalledMs']).toBeGreaterThanOrEqual(500);
    client.close(1000);
    expect((await recordOf(admin, id)).verdict).toMatch(/; the server itself was stalled for .* until \S+Z\.$/);
  });
});

describe('the verdict of a rule', () => {
  afterEach(() => AdminApp.closeAll());

  it('names idleness, the lifetime, the missing identity and the drain', async () => {
    const admin = await start({
      heartbeat: beat(5000, 1000),
      reaper: {
        cron: '* * * * * *',
        idleTimeoutMs: 700,
        maxLifetimeMs: 2500,
        lifetimeJitter: 0,
        identifyTimeoutMs: 200,
      },
      authenticate: ({ url }) => (url?.includes('later') === true ? 'deferred' : 'anonymous'),
    });
    const busy = await opened(admin);
    const idle = await opened(admin);
    const late = await opened(admin, '/ws?later');
    const talk = setInterval(() => {
      for (const { client } of [busy, late]) client.sendEvent('work', 0);
    }, 100);
    const ends = await Promise.all([idle, busy, late].map(({ id }) => recordOf(admin, id)));
    clearInterval(talk);
    expect(ends.map(({ verdict }) => verdict)).toEqual(
      [
        `^No application message passed in either direction for 700 ms \\(reaper.idleTimeoutMs\\), so the server closed it with 4001 ${AT}\\.$`,
        `^The connection reached its lifetime \\(reaper.maxLifetimeMs, 2.5 s with jitter\\), so the server closed it with 4002 ${AT}\\.$`,
        `^The client was not identified within 200 ms \\(reaper.identifyTimeoutMs\\), so the server closed it with 4503 ${AT}\\.$`,
      ].map(text => expect.stringMatching(new RegExp(text))),
    );
    const last = await opened(admin);
    await admin.app.get(DrainService).start('a deploy\nat night');
    const { verdict, flight } = await recordOf(admin, last.id);
    expect(verdict).toMatch(
      new RegExp(
        `^The node drained \\(a deploy\\\\nat night\\), so the server closed it with 1001 ${AT}; the client may reconnect to another node\\.$`,
      ),
    );
    expect(flight.map(({ kind }) => kind).filter(kind => kind !== 'stall')).toEqual(['opened', 'drained', 'closed']);
  });
});
