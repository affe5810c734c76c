/** Gateways as Nest's users write them, tracked with no code in them: paths, ports, messages without a handler, message parsers. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Socket } from 'node:net';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import type { Message } from 'nestjs-heartbeat';
import { freePort, TestApp, type TestAppOptions } from '../support/servers/app.js';
import { until } from '../support/assert/until.js';
import { EchoGateway, answers, ask } from './echo-gateway.js';

afterEach(async () => {
  jest.restoreAllMocks();
  await TestApp.closeAll();
});

describe('Gateways', () => {
  it('that share one path add no listener to any socket, and both handle', async () => {
    const connected: string[] = [];
    @WebSocketGateway({ path: '/ws' })
    class SecondGateway {
      @WebSocketServer()
      readonly server: { readonly clients: ReadonlySet<unknown> };

      handleConnection(): void {
        connected.push('second');
      }

      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown) {
        return { event: 'second-echo', data };
      }

      @SubscribeMessage('other')
      other() {
        return { event: 'other', data: this.server.clients.size };
      }
    }
    const app = await TestApp.start({ gateways: [EchoGateway, SecondGateway] });
    const clients = [await app.opened(), await app.opened()];
    await until(() => connected.length === 2);
    for (const socket of app.app.get(EchoGateway).sockets) expect(socket.listenerCount('message')).toBe(0);
    for (const client of clients) {
      client.sendEvent('echo', 7);
      const both = await answers(client, 2);
      expect(both).toEqual(
        expect.arrayContaining([
          { event: 'echo', data: 7 },
          { event: 'second-echo', data: 7 },
        ]),
      );
      expect(await ask(client, 'other')).toEqual({ event: 'other', data: 2 });
    }
    expect(app.connections.count).toBe(2);
  });

  it('on ports of their own are tracked as those on the app’s are', async () => {
    const [port, lonePort] = [await freePort(), await freePort()];
    @WebSocketGateway(port, { path: '/live' })
    class LiveGateway {
      @SubscribeMessage('who')
      who() {
        return { event: 'who', data: 'live' };
      }
    }
    @WebSocketGateway(port, { path: 'feed/' })
    class FeedGateway {
      @SubscribeMessage('who')
      who() {
        return { event: 'who', data: 'feed' };
      }
    }
    @WebSocketGateway(lonePort)
    class LoneGateway {
      @SubscribeMessage('who')
      who() {
        return { event: 'who', data: 'lone' };
      }
    }
    const app = await TestApp.start({ gateways: [EchoGateway, LiveGateway, FeedGateway, LoneGateway] });
    const live = await app.opened({ port, path: '/live' });
    const feed = await app.opened({ port, path: '/feed?token=secret' });
    const lone = await app.opened({ port: lonePort, path: '/' });
    await app.opened();
    expect(await ask(live, 'who')).toEqual({ event: 'who', data: 'live' });
    expect(await ask(feed, 'who')).toEqual({ event: 'who', data: 'feed' });
    expect(await ask(lone, 'who')).toEqual({ event: 'who', data: 'lone' });
    expect(app.connections.list().items.map(({ path }) => path)).toEqual(['/live', '/feed', '/', '/ws']);
    expect(app.connections.find({ path: '/feed' })).toHaveLength(1);
    expect((await app.client({ port, path: '/ws' }).open()).status).toBe(404);
    expect((await app.client({ path: '/live' }).open()).status).toBe(404);
  });

  it('answer on an unserved path with 404 and problem+json', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway] });
    const { status, headers, body } = await app.client({ path: '/elsewhere' }).open();
    expect(status).toBe(404);
    expect(headers['content-type']).toContain('application/problem+json');
    expect((JSON.parse(body) as { type: string }).type).toMatch(/no-such-path$/);
  });

  it('on their own port admit no client before the last bootstrap hook of the app has run', async () => {
    const port = await freePort();
    @WebSocketGateway(port, { path: '/early' })
    class EarlyGateway {}
    const releases: (() => void)[] = [];
    const hook = jest.fn(() => new Promise<void>(resolve => releases.push(resolve)));
    @Injectable()
    class SlowStart implements OnApplicationBootstrap {
      onApplicationBootstrap = hook;
    }
    const app = await TestApp.prepare({ gateways: [EarlyGateway], providers: [SlowStart] });
    const listening = app.app.listen(0, '127.0.0.1');
    await until(() => hook.mock.calls.length === 1);
    const early = await app.client({ port, path: '/early' }).open();
    expect(early.status).toBe(503);
    expect(early.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect((JSON.parse(early.body) as { type: string }).type).toMatch(/starting$/);
    releases[0]!();
    await listening;
    await app.opened({ port, path: '/early' });
    expect(app.connections.count).toBe(1);
  });

  it('on their own port have keep-alive from the socket that listens', async () => {
    const port = await freePort();
    @WebSocketGateway(port, { path: '/own' })
    class OwnPortGateway {}
    const set = jest.spyOn(Socket.prototype, 'setKeepAlive');
    const app = await TestApp.start({ gateways: [OwnPortGateway] });
    await app.opened({ port, path: '/own' });
    expect(set.mock.contexts.filter(socket => (socket as { server?: unknown }).server)).toEqual([]);
  });

  it('get the message that a client sends together with its handshake', async () => {
    const app = await TestApp.start({ gateways: [EchoGateway] });
    const client = app.client();
    await client.connect();
    client.socket.cork();
    client.sendRaw(client.handshake());
    client.sendEvent('echo', 'hasty');
    client.socket.uncork();
    expect(await client.answer).toMatchObject({ status: 101 });
    expect(await answers(client, 1)).toEqual([{ event: 'echo', data: 'hasty' }]);
  });
});

describe('Messages that no handler takes', () => {
  const ODD = [
    '',
    'no JSON',
    '{',
    'null',
    '42',
    '"text"',
    '[]',
    '{}',
    '{"data":1}',
    '{"event":null}',
    '{"event":1}',
    '{"event":["echo"]}',
    '{"event":{}}',
    '{"event":{"toString":1}}',
    '{"event":{"toString":null,"valueOf":null}}',
    '{"event":"__proto__"}',
    '{"event":"constructor"}',
    '{"event":"hasOwnProperty"}',
    `{"event":${JSON.stringify('x'.repeat(10_000))}}`,
    `{"event":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    '{"event":"heartbeat"}',
    '{"event":"heartbeat","data":{"sentAt":{"toString":1}}}',
  ];

  it.each(ODD.map(text => [text.slice(0, 60), text]))('end nothing: %s', async (_, text) => {
    const app = await TestApp.start({ gateways: [EchoGateway] });
    const [client, other] = [await app.opened(), await app.opened()];
    client.sendText(text);
    client.sendBinary(Buffer.from(text));
    client.sendEvent('echo', 'after');
    await until(() => client.texts.includes('{"event":"echo","data":"after"}'));
    expect(await ask(other, 'echo', 1)).toEqual({ event: 'echo', data: 1 });
    expect(app.connections.count).toBe(2);
  });
});

/** Messages such as `echo|text`; `drop` is dropped, `fail` throws. */
function parse(data: string | Buffer): Message | void {
  if (typeof data !== 'string') return { event: 'echo', data: [...data] };
  if (data === 'fail') throw new Error('the parser failed');
  if (data === 'drop') return;
  const [event, ...rest] = data.split('|');
  return { event, data: rest.join('|') };
}

const laterParser: NonNullable<TestAppOptions['configure']> = (_, adapter) => adapter.setMessageParser(parse);

describe('A message parser of the app', () => {
  it.each([
    ['given to the adapter', { messageParser: parse }],
    ['set later', { configure: laterParser }],
  ])('reads every message: %s', async (_, given: TestAppOptions) => {
    const app = await TestApp.start({ gateways: [EchoGateway], ...given });
    const client = await app.opened();
    client.sendText('drop');
    client.sendText('fail');
    client.sendText('unknown|event');
    client.sendText('echo|one');
    client.sendBinary(Buffer.from([1, 2]));
    expect(await answers(client, 2)).toEqual([
      { event: 'echo', data: 'one' },
      { event: 'echo', data: [1, 2] },
    ]);
    expect(app.logged('error').filter(line => line.includes('the parser failed'))).toHaveLength(1);
    expect(app.connections.count).toBe(1);
  });

  it('may give events that are no texts', async () => {
    const events: unknown[] = [Object.create(null), Symbol('event'), 1n, null];
    const messageParser = (data: string) => ({ event: data === 'next' ? events.shift() : 'echo', data: 1 });
    const app = await TestApp.start({ gateways: [EchoGateway], messageParser });
    const client = await app.opened();
    for (let sent = 0; sent < 4; sent++) client.sendText('next');
    client.sendText('echo');
    expect(await answers(client, 1)).toEqual([{ event: 'echo', data: 1 }]);
    expect(events).toEqual([]);
  });
});
