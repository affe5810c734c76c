/**
 * The tests' own instruments, each tried against a plain `ws` server or node's own http: an instrument that measures nothing would
 * let every other test pass.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { WebSocketServer, type WebSocket } from 'ws';
import { DelayingProxy } from '../support/faults/delaying-proxy.js';
import { Opcode } from '../../apps/loadtest/src/frames.js';
import { watchLeaks } from '../support/assert/leaks.js';
import { NetworkNamespace } from '../support/faults/netns.js';
import { RawClient, type RawClientOptions } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const ignore = (): void => {};

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A `ws` server that echoes; `sockets` are those it has accepted. */
async function echoServer(
  host = '127.0.0.1',
): Promise<{ port: number; server: WebSocketServer; sockets: WebSocket[] }> {
  const server = new WebSocketServer({ port: 0, host, path: '/ws' });
  const sockets: WebSocket[] = [];
  server.on('connection', socket => {
    sockets.push(socket);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => {});
  });
  await new Promise(resolve => server.once('listening', resolve));
  cleanups.push(async () => {
    for (const socket of sockets) socket.terminate();
    await new Promise(resolve => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, server, sockets };
}

function rawClient(options: RawClientOptions): RawClient {
  const client = new RawClient(options);
  cleanups.push(() => client.destroy());
  return client;
}

async function opened(options: RawClientOptions): Promise<RawClient> {
  const client = rawClient(options);
  expect(await client.open()).toMatchObject({ status: 101 });
  return client;
}

/** The error of the next connection's TCP socket; `ws` keeps it to itself. */
async function resetOf(server: WebSocketServer): Promise<unknown> {
  return new Promise(resolve => server.once('connection', (_, { socket }) => socket.once('error', resolve)));
}

describe('RawClient', () => {
  it('exchanges text, binary, fragments and large messages', async () => {
    const { port } = await echoServer();
    const client = await opened({ port });
    client.sendText('hällo');
    client.sendBinary(Buffer.from([1, 2]));
    client.sendFragments(['a', 'b', 'c']);
    client.sendEvent('echo', 1);
    client.sendText('x'.repeat(300_000));
    await until(() => client.messages.length === 5);
    expect(client.messages.slice(0, 3).map(({ data }) => data)).toEqual(['hällo', Buffer.from([1, 2]), 'abc']);
    expect(client.texts[2]).toBe('{"event":"echo","data":1}');
    expect(client.texts[3]).toHaveLength(300_000);
  });

  it('answers pings until it is silent, and records them', async () => {
    const { port, sockets } = await echoServer();
    const client = await opened({ port });
    const pongs: string[] = [];
    sockets[0]?.on('pong', data => pongs.push(data.toString()));
    sockets[0]?.ping('one');
    await until(() => pongs.length === 1);
    client.silent();
    sockets[0]?.ping('two');
    await until(() => client.pings.length === 2);
    client.sendText('after the second ping');
    await until(() => client.messages.length === 1);
    expect(pongs).toEqual(['one']);
    expect(client.pings.map(({ data }) => data.toString())).toEqual(['one', 'two']);
  });

  it('pings, and records the pong', async () => {
    const { port } = await echoServer();
    const client = await opened({ port });
    client.ping('here');
    await until(() => client.pongs.length === 1);
    expect(client.pongs[0]?.data.toString()).toBe('here');
  });

  it('answers a close and ends with its code and reason', async () => {
    const { port, sockets } = await echoServer();
    const client = await opened({ port });
    const closed = new Promise(resolve => sockets[0]?.once('close', resolve));
    sockets[0]?.close(4001, 'idle');
    expect(await client.ended).toMatchObject({ code: 4001, reason: 'idle', error: null });
    expect(await closed).toBe(4001);
  });

  it('starts a close and ends with the echoed code', async () => {
    const { port, sockets } = await echoServer();
    const client = await opened({ port });
    const closed = new Promise(resolve => sockets[0]?.once('close', resolve));
    client.close(3000, 'enough');
    expect(await client.ended).toMatchObject({ code: 3000 });
    expect(await closed).toBe(3000);
  });

  it('leaves a close unanswered when silent', async () => {
    const { port, sockets } = await echoServer();
    const client = await opened({ port });
    client.silent();
    sockets[0]?.close(1001);
    await until(() => client.closeFrame);
    expect(sockets[0]?.readyState).toBe(2);
  });

  it('ends with 1006 when the server cuts the connection', async () => {
    const { port, sockets } = await echoServer();
    const client = await opened({ port });
    const before = performance.now();
    sockets[0]?.terminate();
    const { code, at } = await client.ended;
    expect(code).toBe(1006);
    expect(at).toBeGreaterThan(before);
  });

  it('resets so that the server sees ECONNRESET', async () => {
    const { port, server } = await echoServer();
    const error = resetOf(server);
    const client = await opened({ port });
    client.reset();
    expect(await error).toMatchObject({ code: 'ECONNRESET' });
    expect(await client.ended).toMatchObject({ code: 1006 });
  });

  it('stops reading when paused, so that the server’s buffer grows, and reads on', async () => {
    const { port, sockets } = await echoServer();
    const client = await opened({ port });
    client.pause();
    for (let i = 0; i < 20; i += 1) sockets[0]?.send(Buffer.alloc(1_000_000));
    await until(() => (sockets[0]?.bufferedAmount ?? 0) > 1_000_000);
    expect(client.messages.length).toBe(0);
    client.resume();
    await until(() => client.messages.length === 20);
  });

  it('hands out a refusal with status, headers and body', async () => {
    const { port } = await echoServer();
    const answer = await rawClient({ port, path: '/elsewhere' }).open();
    expect(answer).toMatchObject({ status: 400, headers: { connection: 'close' }, body: 'Bad Request' });
    await expect(RawClient.opened({ port, path: '/elsewhere' })).rejects.toThrow('answered 400: Bad Request');
  });

  it('adds, repeats and removes headers, and connects from an address of its choice', async () => {
    const { port, server } = await echoServer();
    const seen = new Promise<{ headers: string[]; from: string | undefined }>(resolve => {
      server.once('connection', (_socket, { rawHeaders, socket }) =>
        resolve({ headers: rawHeaders, from: socket.remoteAddress }),
      );
    });
    await opened({ port, localAddress: '127.0.0.9', headers: { 'X-Two': ['a', 'b'], Origin: 'http://x' } });
    const { headers, from } = await seen;
    expect(headers.join('|')).toContain('X-Two|a|X-Two|b|Origin|http://x');
    expect(from).toBe('127.0.0.9');
    expect((await rawClient({ port, headers: { 'Sec-WebSocket-Version': undefined } }).open()).status).toBe(400);
  });

  it('breaks the protocol on request', async () => {
    const { port } = await echoServer();
    const client = await opened({ port });
    client.sendFrame({ opcode: Opcode.text, payload: 'bare', mask: false });
    expect(await client.ended).toMatchObject({ code: 1002 });
  });

  it('sends a handshake in pieces', async () => {
    const { port, server } = await echoServer();
    const client = rawClient({ port });
    await client.connect();
    for (const byte of client.handshake()) client.sendRaw(byte);
    expect(await client.answer).toMatchObject({ status: 101 });
    expect(server.clients.size).toBe(1);
  });

  it('rejects without a server, and without a response', async () => {
    const mute = createServer(socket => socket.once('data', () => socket.destroy()));
    await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    await expect(rawClient({ port }).open()).rejects.toThrow('without an answer');
    await new Promise(resolve => mute.close(resolve));
    await expect(rawClient({ port }).open()).rejects.toThrow('ECONNREFUSED');
  });
});

/** An echo server behind a proxy, and a client of it. */
interface Path {
  proxy: DelayingProxy;
  client: RawClient;
  server: WebSocketServer;
  sockets: WebSocket[];
}

async function through(delayMs: number): Promise<Path> {
  const { port, server, sockets } = await echoServer();
  const proxy = await DelayingProxy.start({ targetPort: port, delayMs });
  cleanups.push(() => proxy.close());
  return { proxy, client: await opened({ port: proxy.port }), server, sockets };
}

describe('DelayingProxy', () => {
  it('adds its delay to each direction and keeps the order', async () => {
    const { client } = await through(75);
    const before = performance.now();
    for (let i = 0; i < 50; i += 1) client.sendText(`${i}`);
    await until(() => client.messages.length === 50);
    const tookMs = (client.messages[0]?.at ?? 0) - before;
    expect(tookMs).toBeGreaterThanOrEqual(150);
    expect(tookMs).toBeLessThan(400);
    expect(client.texts).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
  });

  it('carries more than it may hold', async () => {
    const { client } = await through(5);
    client.sendBinary(Buffer.alloc(8 * 1024 * 1024, 7));
    const { data } = await until(() => client.messages[0], { timeoutMs: 15_000 });
    expect(data).toHaveLength(8 * 1024 * 1024);
  });

  it('hands on a close, a cut and a reset', async () => {
    const { proxy, client, server, sockets } = await through(20);
    sockets[0]?.close(1001);
    expect(await client.ended).toMatchObject({ code: 1001 });
    const cut = await opened({ port: proxy.port });
    sockets[1]?.terminate();
    expect(await cut.ended).toMatchObject({ code: 1006 });
    const error = resetOf(server);
    const crashed = await opened({ port: proxy.port });
    crashed.reset();
    expect(await error).toMatchObject({ code: 'ECONNRESET' });
    await until(() => proxy.connections.size === 0);
  });

  it('swallows everything in a black hole, keeps the sockets, and delivers when it is healed', async () => {
    const { proxy, client, sockets } = await through(1);
    proxy.blackHole();
    client.sendText('lost for now');
    sockets[0]?.terminate();
    const late = rawClient({ port: proxy.port });
    const answer = late.open();
    await late.connect.call(rawClient({ port: proxy.port }));
    const ended = await Promise.race([
      client.ended,
      answer,
      new Promise(resolve => setTimeout(resolve, 200, 'neither')),
    ]);
    expect(ended).toBe('neither');
    proxy.heal();
    expect(await client.ended).toMatchObject({ code: 1006 });
    expect(await answer).toMatchObject({ status: 101 });
  });

  it('makes a black hole of one connection, leaves the other, and ends both sides of each when it closes', async () => {
    const { proxy, client, sockets } = await through(1);
    const other = await opened({ port: proxy.port });
    const [first] = proxy.connections;
    expect(first?.clientPort).toBe(client.socket.localPort);
    first?.blackHole();
    client.sendText('lost');
    other.sendText('heard');
    await until(() => other.messages.length === 1);
    expect(client.messages).toEqual([]);
    first?.heal();
    await until(() => client.messages.length === 1);
    first?.blackHole();
    client.reset();
    await opened({ port: proxy.port });
    await proxy.close();
    await until(() => sockets.every(({ readyState, CLOSED }) => readyState === CLOSED));
  });
});

/** Writes a program to a file that the test removes. */
async function program(source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'server-process-'));
  cleanups.push(
    () => rm(folder, { recursive: true }),
    () => ServerProcess.stopAll(),
  );
  const entry = join(folder, 'main.mjs');
  await writeFile(entry, source);
  return entry;
}

describe('ServerProcess', () => {
  const LISTEN = `
    import { createServer } from 'node:http';
    const server = createServer((_, answer) => answer.end(process.env.WORD ?? 'none'));
    server.listen(process.env.PORT, '127.0.0.1', () => console.log('at http://127.0.0.1:' + server.address().port));`;

  it('starts, reads the address, passes the environment and a signal, and times the exit', async () => {
    const entry = await program(`${LISTEN}
      process.on('SIGTERM', () => setTimeout(() => { console.error('bye'); process.exit(3); }, 100));`);
    const server = await ServerProcess.start({ entry, env: { WORD: 'hi' } });
    expect(await (await fetch(server.url)).text()).toBe('hi');
    server.signal('SIGTERM');
    const { code, signal, ms } = await server.exited;
    expect({ code, signal }).toEqual({ code: 3, signal: null });
    expect(ms).toBeGreaterThanOrEqual(95);
    expect(ms).toBeLessThan(2000);
    expect(server.stderr).toBe('bye\n');
  });

  it('ends by force what does not end by itself', async () => {
    const server = await ServerProcess.start({ entry: await program(`${LISTEN} process.on('SIGTERM', () => {});`) });
    const { pid } = server;
    server.signal('SIGTERM');
    await ServerProcess.stopAll();
    expect(await server.exited).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('has the output of a start that failed', async () => {
    const entry = await program(`console.error('PORT is wrong'); process.exit(1);`);
    await expect(ServerProcess.start({ entry })).rejects.toThrow('ended with 1:\nPORT is wrong');
  });

  it('gives up on a server that prints no address', async () => {
    const entry = await program(`console.log('hm'); setInterval(() => {}, 1000);`);
    await expect(ServerProcess.start({ entry, startTimeoutMs: 500 })).rejects.toThrow('no address within 500 ms:\nhm');
  });
});

describe('watchLeaks', () => {
  it('passes when everything was closed, and names what was not', async () => {
    const assertNothingLeft = watchLeaks();
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const timer = setInterval(() => {}, 60_000);
    process.on('SIGTERM', ignore);
    const failure = await assertNothingLeft(50).catch((error: Error) => error.message);
    clearInterval(timer);
    process.off('SIGTERM', ignore);
    socket.destroy();
    await new Promise(resolve => server.close(resolve));
    const here = 'made at test/e2e/support.e2e-spec.ts:';
    for (const left of ['TCPSERVERWRAP made at', `TCPWRAP ${here}`, `Timeout ${here}`, 'a listener of SIGTERM']) {
      expect(failure).toContain(left);
    }
    await assertNothingLeft();
  });

  it('takes no account of what was there before, and none of jest', async () => {
    const timer = setInterval(() => {}, 60_000);
    await expect(watchLeaks()()).resolves.toBeUndefined();
    clearInterval(timer);
  });
});

describe('NetworkNamespace', () => {
  it('joins a client in another network, drops its packets and lets them pass again', async () => {
    const namespace = await NetworkNamespace.createIfAllowed();
    if (namespace === null) return;
    cleanups.push(() => namespace.remove());
    const { port, server } = await echoServer('0.0.0.0');
    const entry = join(await mkdtemp(join(tmpdir(), 'netns-')), 'main.mjs');
    cleanups.push(
      () => rm(join(entry, '..'), { recursive: true }),
      () => ServerProcess.stopAll(),
    );
    await writeFile(
      entry,
      `import { connect } from 'node:net';
       connect(${port}, '${namespace.hostAddress}').on('data', () => {}).write('GET /ws HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\n' +
         'Connection: Upgrade\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n');`,
    );
    const client = ServerProcess.spawn({ entry, via: namespace.exec });
    await until(() => server.clients.size === 1);
    await namespace.blackHole();
    client.signal('SIGKILL');
    await client.exited;
    let closed = false;
    for (const socket of server.clients) socket.once('close', () => (closed = true));
    await new Promise(resolve => setTimeout(resolve, 300));
    expect(closed).toBe(false);
    await namespace.heal();
    await until(() => closed, { timeoutMs: 10_000, message: 'the FIN that TCP repeats' });
  });
});
