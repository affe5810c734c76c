/** Gateways behave as with Nest's `WsAdapter`: the same table runs against both. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { AddressInfo } from 'node:net';
import { HeartbeatModule, HeartbeatWsAdapter } from 'nestjs-heartbeat';
import { WebSocket } from 'ws';
import { freePort } from '../support/servers/free-port.js';
import { until } from '../support/assert/until.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(adapter: 'stock' | 'ours', gateways: readonly Type<unknown>[]): Promise<number> {
  @Module({
    imports: adapter === 'ours' ? [HeartbeatModule.forRoot({ drain: { spreadMs: 0, closeTimeoutMs: 100 } })] : [],
    providers: [...gateways],
  })
  class Root {}
  const app = await NestFactory.create(Root, { logger: false, abortOnError: false });
  app.useWebSocketAdapter(adapter === 'ours' ? new HeartbeatWsAdapter(app) : new WsAdapter(app));
  closers.push(() => app.close());
  await app.listen(0, '127.0.0.1');
  return (app.getHttpServer() as { address(): AddressInfo }).address().port;
}

/** Whether a client comes in, and the answers to its messages in the order of arrival. */
async function visit(port: number, path: string, messages: readonly string[] = [], answers = messages.length) {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  closers.unshift(async () => client.terminate());
  client.on('error', () => undefined);
  const opened = await new Promise<boolean>(resolve => {
    client.on('open', () => resolve(true)).on('close', () => resolve(false));
  });
  if (!opened) return { opened, heard: [] };
  const heard: string[] = [];
  client.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { event: string; data: string };
    if (message.event === 'answer') heard.push(message.data);
  });
  for (const event of messages) client.send(JSON.stringify({ event }));
  // The last message is answered last, so nothing more can come before it.
  client.send(JSON.stringify({ event: 'last' }));
  await until(() => heard.length >= answers || heard.includes('last'));
  return { opened, heard: heard.filter(text => text !== 'last') };
}

const answer = (data: string) => ({ event: 'answer', data });

describe.each(['stock', 'ours'] as const)('With the %s adapter', adapter => {
  it.each<[string, string, boolean, (port: number) => ClassDecorator]>([
    ['a port without a path', '/', true, port => WebSocketGateway(port)],
    ['a port without a path', '/any/where?x=1', true, port => WebSocketGateway(port)],
    ['a port with the path /', '/', true, port => WebSocketGateway(port, { path: '/' })],
    ['a port with the path /', '/any', false, port => WebSocketGateway(port, { path: '/' })],
    ['a port and an empty path', '/any', true, port => WebSocketGateway(port, { path: '' })],
    ['a port and a path', '/chat?x=1', true, port => WebSocketGateway(port, { path: 'chat' })],
    ['a port and a path', '/', false, port => WebSocketGateway(port, { path: '/chat' })],
    ['a port and a path', '/x/../chat', true, port => WebSocketGateway(port, { path: '/chat' })],
    ['a port and a path with a slash at its end', '/chat', true, port => WebSocketGateway(port, { path: '/chat/' })],
  ])('%s, request %s: served %s', async (_what, path, expected, decorator) => {
    const port = await freePort();
    @decorator(port)
    class Gateway {}
    await start(adapter, [Gateway]);
    expect((await visit(port, path)).opened).toBe(expected);
  });

  it.each<[string | undefined, string, boolean]>([
    [undefined, '/', true],
    [undefined, '/any', false],
    ['', '/', true],
    ['/chat/', '/chat', true],
    ['/chat', '/Chat', false],
    ['/chat', '/chat/', false],
  ])("on the application's port, path %j: %s", async (path, url, expected) => {
    @WebSocketGateway(path === undefined ? {} : { path })
    class Gateway {}
    const port = await start(adapter, [Gateway]);
    expect((await visit(port, url)).opened).toBe(expected);
  });

  it('takes the last of two handlers of one event in a gateway', async () => {
    @WebSocketGateway({ path: '/ws' })
    class Gateway {
      @SubscribeMessage('twice')
      first() {
        return answer('first');
      }

      @SubscribeMessage('twice')
      second() {
        return answer('second');
      }

      @SubscribeMessage('last')
      last() {
        return answer('last');
      }
    }
    const port = await start(adapter, [Gateway]);
    expect((await visit(port, '/ws', ['twice', 'twice'], 9)).heard).toEqual(['second', 'second']);
  });

  it('takes the handlers of each of two gateways on one path', async () => {
    @WebSocketGateway({ path: '/ws' })
    class One {
      @SubscribeMessage('twice')
      answer() {
        return answer('one');
      }
    }
    @WebSocketGateway({ path: '/ws' })
    class Two {
      @SubscribeMessage('twice')
      answer() {
        return answer('two');
      }

      @SubscribeMessage('last')
      last() {
        return answer('last');
      }
    }
    const port = await start(adapter, [One, Two]);
    expect(new Set((await visit(port, '/ws', ['twice'], 9)).heard)).toEqual(new Set(['one', 'two']));
  });
});

describe('Beyond the stock adapter', () => {
  it.each<[string, string]>([
    ['/chat/', '/chat/'],
    ['/chät', '/ch%C3%A4t'],
    ['/чат/комната', '/чат/комната'],
    ['/a b', '/a%20b'],
  ])('the path %j is reached at %s', async (path, url) => {
    const port = await freePort();
    @WebSocketGateway({ path })
    class OnTheApp {}
    @WebSocketGateway(port, { path })
    class OnItsOwn {}
    const appPort = await start('ours', [OnTheApp, OnItsOwn]);
    expect([(await visit(appPort, url)).opened, (await visit(port, url)).opened]).toEqual([true, true]);
  });

  it.each(['/chat?room=1', '/chat#room'])('the path %j, which no request has, stops the start', async path => {
    @WebSocketGateway({ path })
    class Gateway {}
    await expect(start('ours', [Gateway])).rejects.toMatchObject({ code: 'HEARTBEAT_BAD_OPTIONS' });
  });

  it('a gateway without a path shares its port with gateways that have one', async () => {
    const port = await freePort();
    @WebSocketGateway(port)
    class Every {
      @SubscribeMessage('who')
      who() {
        return answer('every');
      }
    }
    @WebSocketGateway(port, { path: '/chat' })
    class Chat {
      @SubscribeMessage('who')
      who() {
        return answer('chat');
      }
    }
    await start('ours', [Every, Chat]);
    const heard = await Promise.all(['/chat', '/other'].map(async path => (await visit(port, path, ['who'])).heard));
    expect(heard).toEqual([['chat'], ['every']]);
  });
});
