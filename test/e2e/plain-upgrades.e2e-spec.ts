/** An `Upgrade` that is not `websocket` is ignored, and the request answered as any other (RFC 9110, section 7.8). */
import { afterEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Header, Param, Post, Req } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../support/servers/free-port.js';
import { IoApp } from '../support/servers/io-app.js';
import { answerTo, PLATFORMS, SharedPort, upgradeHead } from '../support/servers/shared-port.js';

@WebSocketGateway({ path: '/ws' })
class AppGateway {}

@Controller()
class Routes {
  @Get('hello')
  hello(@Req() request: IncomingMessage) {
    const { upgrade = 'none', connection = 'none', 'http2-settings': settings = 'none' } = request.headers;
    return `hello upgrade=${upgrade} connection=${connection} settings=${String(settings)}`;
  }

  @Get('slow/:ms')
  async slow(@Param('ms') ms: string) {
    await sleep(Number(ms));
    return `slow ${ms}`;
  }

  @Get('last')
  @Header('Connection', 'close')
  async last() {
    await sleep(30);
    return 'last';
  }

  @Post('json')
  json(@Body() body: { text: string }) {
    return createHash('sha256').update(body.text).digest('hex');
  }

  /** Reads the body itself, whatever it is. */
  @Post('bytes')
  async bytes(@Req() request: IncomingMessage | { raw: IncomingMessage }) {
    const raw = 'raw' in request ? request.raw : request;
    const hash = createHash('sha256');
    for await (const chunk of raw) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }
}

afterEach(() => SharedPort.closeAll());

const H2C = { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABkAAQAoAAAAAIAAAAA' };

function head(requestLine: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ Host: 'localhost', ...H2C, ...headers }).map(([name, value]) => `${name}: ${value}`);
  return [requestLine, ...lines, '', ''].join('\r\n');
}

const plain = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** The statuses of all answers in a text. */
function statuses(text: string): string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status = '']) => status);
}

const DIGEST = /[\da-f]{64}/;
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');

describe.each(PLATFORMS)('On %s', platform => {
  const start = () => SharedPort.start({ platform, gateways: [AppGateway], controllers: [Routes] });

  it.each<[string, Record<string, string>, string]>([
    ['h2c, as curl and Java ask for it', {}, 'upgrade=none connection=none settings=none'],
    ['TLS', { Upgrade: 'TLS/1.0, HTTP/1.1', Connection: 'upgrade' }, 'upgrade=none'],
    ['something unknown', { Upgrade: 'foo/2', Connection: 'Upgrade' }, 'upgrade=none'],
    [
      'h2c in capitals beside other options',
      { Upgrade: 'H2C', Connection: 'x-own , UPGRADE,keep-alive' },
      'connection=x-own, keep-alive',
    ],
    ['a list with websocket, without a key', { Upgrade: 'h2c, websocket' }, 'upgrade=none'],
  ])('answers a request for %s', async (_what, headers, expected) => {
    const shared = await start();
    const text = await shared.exchange(head('GET /hello HTTP/1.1', headers), /settings=/);
    expect(statuses(text)).toEqual(['200']);
    expect(text).toContain(expected);
  });

  it('takes a JSON body', async () => {
    const shared = await start();
    const text = 'é'.repeat(20_000);
    const json = JSON.stringify({ text });
    const headers = { 'Content-Length': String(Buffer.byteLength(json)), 'Content-Type': 'application/json' };
    expect(await shared.exchange(head('POST /json HTTP/1.1', headers) + json, DIGEST)).toContain(sha256(text));
  });

  it('keeps the connection, also for a second upgrade and for a WebSocket', async () => {
    const shared = await start();
    const socket = await shared.socket();
    for (let round = 0; round < 3; round++) {
      expect(await answerTo(socket, head('GET /hello HTTP/1.1'), /settings=/)).toContain('HTTP/1.1 200');
      expect(await answerTo(socket, plain('/hello'), /settings=/)).toContain('HTTP/1.1 200');
    }
    expect(await answerTo(socket, upgradeHead('/ws'), /\r\n\r\n/)).toContain('HTTP/1.1 101');
  });

  it('answers pipelined requests in their order', async () => {
    const shared = await start();
    const requests = [
      plain('/slow/60'),
      plain('/slow/20'),
      head('GET /slow/40 HTTP/1.1'),
      plain('/slow/1'),
      head('GET /slow/2 HTTP/1.1'),
    ];
    const text = await shared.exchange(requests.join(''), /slow 2$/);
    expect([...text.matchAll(/slow (\d+)/g)].map(([, ms]) => ms)).toEqual(['60', '20', '40', '1', '2']);
  });

  it('takes no notice of an upgrade after a response that ends the connection, and of a client that has left', async () => {
    const shared = await start();
    const last = 'GET /last HTTP/1.1\r\nHost: localhost\r\n\r\n';
    expect(statuses(await shared.exchange(last + head('GET /hello HTTP/1.1')))).toEqual(['200']);
    const socket = await shared.socket();
    socket.write(`GET /slow/50 HTTP/1.1\r\nHost: localhost\r\n\r\n${head('GET /hello HTTP/1.1')}`);
    await sleep(10);
    if (shared.isTls) socket.destroy();
    else socket.resetAndDestroy();
    expect(await shared.exchange(head('GET /hello HTTP/1.1'), /settings=/)).toContain('HTTP/1.1 200');
  });

  it('does not cut a slow answer by the time limit of an idle connection', async () => {
    const shared = await start();
    shared.server.keepAliveTimeout = 100;
    const socket = await shared.socket();
    const text = await answerTo(socket, plain('/slow/1') + head('GET /slow/1500 HTTP/1.1'), /slow 1500/);
    expect(statuses(text)).toEqual(['200', '200']);
  });

  it('refuses what Node refuses: a request without Host', async () => {
    const shared = await start();
    const bare = head('GET /hello HTTP/1.1').replace('Host: localhost\r\n', '');
    expect(statuses(await shared.exchange(bare))).toEqual(['400']);
  });

  it('takes a list with websocket for a handshake where it has a key', async () => {
    const shared = await start();
    for (const upgrade of ['websocket, h2c', 'h2c,WebSocket', 'WEBSOCKET']) {
      const text = await shared.exchange(
        upgradeHead('/ws', { Upgrade: upgrade, Connection: 'keep-alive, Upgrade' }),
        /\r\n\r\n/,
      );
      expect(statuses(text)).toEqual(['101']);
    }
  });

  it('refuses a WebSocket without Host, with two, and over HTTP/1.0', async () => {
    const shared = await start();
    const good = upgradeHead('/ws');
    for (const bad of [
      good.replace('Host: localhost\r\n', ''),
      good.replace('Host: localhost', 'Host: localhost\r\nHost: localhost'),
      good.replace('Host: localhost', 'Host: local host'),
      good.replace('HTTP/1.1', 'HTTP/1.0'),
    ]) {
      expect(statuses(await shared.exchange(bad))).toEqual(['400']);
    }
  });
});

describe.each(['express', 'https'] as const)('A body of 3 MB, on %s', platform => {
  const body = randomBytes(3_000_000);
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; at += 100_000) {
    const chunk = body.subarray(at, at + 100_000);
    chunks.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }

  it.each<[string, Record<string, string>, readonly Buffer[]]>([
    ['with a length', { 'Content-Length': String(body.length) }, [body]],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }, [...chunks, Buffer.from('0\r\n\r\n')]],
  ])('%s arrives whole', async (_what, headers, parts) => {
    const shared = await SharedPort.start({ platform, gateways: [AppGateway], controllers: [Routes] });
    const start = Buffer.from(head('POST /bytes HTTP/1.1', { 'Content-Type': 'x/y', ...headers }));
    expect(await shared.exchange(Buffer.concat([start, ...parts]), DIGEST)).toContain(sha256(body));
  });
});

@WebSocketGateway()
class IoGateway {}

async function answerSlowly(_request: unknown, response: { end(text: string): void }): Promise<void> {
  // Longer than engine.io waits by default before it ends an upgrade of another listener.
  await sleep(1200);
  response.end('slow');
}

describe('Beside gateways of Socket.IO', () => {
  afterEach(() => IoApp.closeAll());

  it('answers routes and polling requests, however long they take', async () => {
    const io = await IoApp.start({
      gateways: [IoGateway],
      options: { limits: { handshakeTimeoutMs: 100 } },
      configure: app =>
        (app.getHttpAdapter() as { get(path: string, handler: unknown): unknown }).get('/slow', answerSlowly),
    });
    for (const [path, answered] of [
      ['/slow', /slow$/],
      ['/socket.io/?EIO=4&transport=polling', /"sid":".*\}$/],
    ] as const) {
      const socket = connect(io.port, '127.0.0.1');
      io.onClose(() => socket.destroy());
      expect(statuses(await answerTo(socket, head(`GET ${path} HTTP/1.1`), answered))).toEqual(['200']);
    }
  });
});

describe("On a gateway's own port", () => {
  it('answers 426, also to an upgrade, and keeps the connection', async () => {
    const port = await freePort();
    @WebSocketGateway(port, { path: '/own' })
    class OwnGateway {}
    const shared = await SharedPort.start({ gateways: [OwnGateway] });
    const socket = await shared.socket(port);
    const post = head('POST /x HTTP/1.1', { 'Content-Length': '5' });
    for (const request of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', head('GET /x HTTP/1.1'), `${post}12345`]) {
      expect(statuses(await answerTo(socket, request, /Upgrade Required/))).toEqual(['426']);
    }
    expect(await answerTo(socket, upgradeHead('/own'), /\r\n\r\n/)).toContain('HTTP/1.1 101');
  });
});

const curl = async (...words: string[]) => (await promisify(execFile)('curl', ['-sS', '--http2', ...words])).stdout;

describe('curl', () => {
  it('reads a route with --http2, and sends a body', async () => {
    const shared = await SharedPort.start({ gateways: [AppGateway], controllers: [Routes] });
    const url = `http://127.0.0.1:${shared.port}`;
    expect(await curl(`${url}/health/live`)).toContain('"status"');
    expect(await curl(`${url}/hello`)).toContain('upgrade=none');
    const text = 'x'.repeat(50_000);
    const body = JSON.stringify({ text });
    expect(await curl('-H', 'content-type: application/json', '-d', body, `${url}/json`)).toContain(sha256(text));
  });
});
