/**
 * From the moment at which the server begins a close no further message is handled, whether or not the client answers the close
 * frame: one table for all closes that the server begins.
 */
import type { IncomingMessage } from 'node:http';

import { afterEach, describe, expect, it } from '@jest/globals';
import { type OnGatewayConnection, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  BanList,
  ClusterService,
  type Connection,
  CurrentConnection,
  DrainService,
  type HeartbeatOptions,
  type TrackedSocket,
} from 'nestjs-heartbeat';
import { ReaperService } from '../../libs/heartbeat/src/liveness/reaper.service.js';

import { TestApp } from '../support/servers/app.js';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import type { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';
import { socketOf } from '../support/servers/socket-of.js';

/** The calls that the app received, in order. */
let handled: string[] = [];
/** Ends the handlers of `wait`. */
let release: () => void = () => undefined;

@WebSocketGateway({ path: '/ws' })
class CommandGateway implements OnGatewayConnection {
  handleConnection(client: TrackedSocket, { url = '' }: IncomingMessage): void {
    client.on('message', (data: Buffer) => handled.push(`listener ${data.toString()}`));
    client.addEventListener('message', ({ data }) => handled.push(`event target ${(data as Buffer).toString()}`));
    if (url.includes('refused')) client.close(4321, 'not you');
    if (url.includes('cut')) client.connection.close(4322);
  }

  @SubscribeMessage('command')
  command(): void {
    handled.push('command');
  }

  @SubscribeMessage('leave')
  leave(@CurrentConnection() connection: Connection): void {
    handled.push('leave');
    connection.close(4400, 'as you wish');
  }

  @SubscribeMessage('wait')
  wait(): Promise<void> {
    handled.push('wait');
    return new Promise(resolve => (release = resolve));
  }

  @SubscribeMessage('identify')
  identify(@CurrentConnection() connection: Connection): void {
    handled.push('identify');
    connection.identify({ userId: 'mallory' });
  }
}

/** As `leave`, in a gateway of its own on the same path. */
@WebSocketGateway({ path: '/ws' })
class SecondGateway {
  @SubscribeMessage('leave')
  leave(): void {
    handled.push('leave, second handler');
  }
}

const COMMANDS = ['command', 'identify', 'unknown', 'heartbeat'].map(event => JSON.stringify({ event, data: {} }));

/** A client that answers no close frame. */
async function deafClient(app: TestApp, path = '/ws?user=ann'): Promise<RawClient> {
  const client = app.client({ path });
  client.silent();
  const { status } = await client.open();
  expect(status).toBe(101);
  return client;
}

/** Sends commands, and resolves when the server has read them all: what is read is handled in the same turn, or waits for the next. */
async function command(app: TestApp, client: RawClient): Promise<void> {
  const bytes = Buffer.concat(COMMANDS.map(payload => encodeFrame({ opcode: Opcode.text, payload })));
  const connection = only(app);
  const readBefore = connection.bytesIn;
  client.sendRaw(bytes);
  await until(() => connection.bytesIn >= readBefore + bytes.length, { message: 'the commands to be read' });
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve));
}

function start(options: HeartbeatOptions = {}): Promise<TestApp> {
  return TestApp.start({
    gateways: [CommandGateway, SecondGateway],
    options: {
      ...options,
      authenticate: ({ url = '' }) =>
        url.includes('later') ? 'deferred' : { userId: new URL(url, 'ws://a').searchParams.get('user') ?? 'nobody' },
      drain: { closeTimeoutMs: 3000, deadlineMs: 4000, spreadMs: 0 },
    },
  });
}

const only = (app: TestApp) => [...app.connections.all()][0]!;

describe('A client that the server has begun to close', () => {
  afterEach(async () => {
    release();
    await TestApp.closeAll();
    handled = [];
  });

  const expiring = { authenticate: () => ({ userId: 'ann', expiresAt: Date.now() + 60 }) };
  it.each<[string, number, (app: TestApp) => unknown, HeartbeatOptions]>([
    ['is kicked', 4500, app => app.connections.kick(only(app).id), {}],
    ['is to reconnect', 4005, app => app.connections.kick(only(app).id, { reconnect: true }), {}],
    ['is kicked by the cluster', 4500, app => app.app.get(ClusterService).kick(only(app).id), {}],
    ['is kicked in bulk', 4500, app => app.app.get(ClusterService).kickAll({ user: 'ann' }), {}],
    ['has its user banned', 4501, app => app.app.get(BanList).ban({ kind: 'user', value: 'ann', forMs: 60_000 }), {}],
    [
      'has its address banned',
      4501,
      app => app.app.get(BanList).ban({ kind: 'ip', value: '127.0.0.1', forMs: 60_000 }),
      {},
    ],
    [
      'has its network banned',
      4501,
      app => app.app.get(BanList).ban({ kind: 'cidr', value: '127.0.0.0/24', forMs: 60_000 }),
      {},
    ],
    ['is closed by its connection', 4600, app => only(app).close(4600), {}],
    ['is closed by its socket', 4601, app => socketOf(only(app)).close(4601), {}],
    [
      'is replaced',
      4502,
      app => app.opened({ path: '/ws?user=ann' }),
      { limits: { maxPerUser: 1, onUserLimit: 'replace-oldest' } },
    ],
    [
      'is identified as a banned user',
      4501,
      app => {
        app.app.get(BanList).ban({ kind: 'user', value: 'bob', forMs: 60_000 });
        only(app).identify({ userId: 'bob' });
      },
      {},
    ],
    ['is idle', 4001, app => app.app.get(ReaperService).run(), { reaper: { idleTimeoutMs: 1 } }],
    ['is over-age', 4002, app => app.app.get(ReaperService).run(), { reaper: { maxLifetimeMs: 1 } }],
    ['is drained', 1001, app => void app.app.get(DrainService).start('a test'), {}],
  ])('because it %s commands nothing', async (_what, code, close, options) => {
    const app = await start(options);
    const client = await deafClient(app);
    await until(async () => {
      if (client.closeFrame === null && only(app).closing === null) await close(app);
      return client.closeFrame;
    });
    expect(client.closeFrame?.code).toBe(code);
    const user = only(app).userId;
    const events = app.recordEvents();
    await command(app, client);
    expect([handled, client.texts.filter(text => text.includes('heartbeat')), only(app).userId]).toEqual([
      [],
      [],
      user,
    ]);
    expect(events.filter(({ type }) => type === 'identified' || type === 'message-refused')).toEqual([]);
  });

  it.each([
    ['was not identified in time', 4503, '/ws?later', { reaper: { identifyTimeoutMs: 1 } }],
    ['was closed when it came', 4321, '/ws?refused', {}],
    ['was closed by its connection when it came', 4322, '/ws?cut', {}],
  ])('because it %s commands nothing', async (_what, code, path, options: HeartbeatOptions) => {
    const app = await start(options);
    const client = app.client({ path });
    client.silent();
    await client.connect();
    // Messages in the packet of the handshake too.
    const early = code === 4503 ? [] : COMMANDS.map(payload => encodeFrame({ opcode: Opcode.text, payload }));
    client.sendRaw(Buffer.concat([Buffer.from(client.handshake()), ...early]));
    await until(async () => {
      if (code === 4503 && app.connections.count > 0) await app.app.get(ReaperService).run();
      return client.closeFrame;
    });
    expect(client.closeFrame?.code).toBe(code);
    await command(app, client);
    expect([handled, only(app).userId]).toEqual([[], code === 4503 ? null : 'nobody']);
  });

  it('commands nothing where its identity has expired', async () => {
    const app = await TestApp.start({
      gateways: [CommandGateway],
      options: { ...expiring, drain: { closeTimeoutMs: 3000, deadlineMs: 4000 } },
    });
    const client = await deafClient(app);
    await until(async () => {
      await app.app.get(ReaperService).run();
      return client.closeFrame;
    });
    expect(client.closeFrame?.code).toBe(4503);
    await command(app, client);
    expect(handled).toEqual([]);
  });

  it('is handled no more in the middle of a packet, but by all handlers of the message that had begun', async () => {
    const app = await start();
    const client = await deafClient(app);
    const texts = ['command', 'leave', 'command', 'leave', 'identify'].map(event => JSON.stringify({ event }));
    client.sendRaw(Buffer.concat(texts.map(payload => encodeFrame({ opcode: Opcode.text, payload }))));
    await until(() => client.closeFrame);
    await command(app, client);
    const byHandlers = handled.filter(what => !/listener|target/.test(what));
    expect(byHandlers.filter(what => what === 'leave, second handler')).toHaveLength(1);
    expect(byHandlers.filter(what => what !== 'leave, second handler')).toEqual(['command', 'leave']);
  });

  it('has what waited in its queue dropped, and is read on for its close frame', async () => {
    const app = await start({ limits: { maxInFlight: 1 } });
    const client = await app.opened({ path: '/ws?user=ann' });
    const texts = ['wait', 'command', 'command', 'leave'].map(event => JSON.stringify({ event }));
    client.sendRaw(Buffer.concat(texts.map(payload => encodeFrame({ opcode: Opcode.text, payload }))));
    await until(() => socketOf(only(app)).isHalted);
    expect(app.connections.kick(only(app).id)).toBe(true);
    // The handler is still in flight: the handshake ends nevertheless.
    expect(await client.ended).toMatchObject({ code: 4500, error: null });
    await until(() => app.connections.count === 0);
    expect(app.connections.closedHistory()[0]).toMatchObject({ code: 4500 });
    release();
    await new Promise(resolve => setImmediate(resolve));
    expect(handled.filter(what => !/listener|target/.test(what))).toEqual(['wait']);
  });

  it('has its messages handled that came before a close of its own', async () => {
    const app = await start({ limits: { maxInFlight: 1 } });
    const client = await app.opened({ path: '/ws?user=ann' });
    const texts = ['wait', 'command', 'command'].map(event => JSON.stringify({ event }));
    client.sendRaw(Buffer.concat(texts.map(payload => encodeFrame({ opcode: Opcode.text, payload }))));
    await until(() => handled.includes('wait'));
    client.close(1000);
    release();
    await until(() => handled.filter(what => what === 'command').length === 2);
    expect(await client.ended).toMatchObject({ error: null });
  });
});
