/** Invalid requests for a connection, resets, and an application that fails: none affects another client (`probed-server.ts`). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeFrame, Opcode } from '../../apps/loadtest/src/frames.js';
import { Program } from '../support/servers/program.js';
import { RawClient, type RawClientOptions } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';
import { connections, client, opened, probeServer, serves } from './probed-server.js';

probeServer();

/** A refusal as docs/protocol.md has it: problem+json whose type ends in `name`. */
function problem(status: number, name: string) {
  return {
    status,
    headers: expect.objectContaining({ 'content-type': 'application/problem+json', connection: 'close' }),
    body: expect.stringMatching(new RegExp(`"type":"[^"]*\\b${name}"`)),
  };
}

describe('an upgrade that is none', () => {
  it.each<[string, Partial<RawClientOptions>]>([
    ['no key', { headers: { 'Sec-WebSocket-Key': undefined } }],
    ['an empty key', { headers: { 'Sec-WebSocket-Key': '' } }],
    ['a key that is too short', { headers: { 'Sec-WebSocket-Key': 'c2hvcnQ=' } }],
    ['a key that is no base64', { headers: { 'Sec-WebSocket-Key': '!'.repeat(24) } }],
    ['two keys', { headers: { 'Sec-WebSocket-Key': ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='] } }],
    ['no version', { headers: { 'Sec-WebSocket-Version': undefined } }],
    ['version 12', { headers: { 'Sec-WebSocket-Version': '12' } }],
    ['version 99', { headers: { 'Sec-WebSocket-Version': '99' } }],
    ['a version that is no number', { headers: { 'Sec-WebSocket-Version': 'x' } }],
    ['no Host', { headers: { Host: undefined } }],
    ['two Hosts', { headers: { Host: ['127.0.0.1', '127.0.0.1'] } }],
    ['a bad subprotocol', { headers: { 'Sec-WebSocket-Protocol': 'a,,b' } }],
    ['the same subprotocol twice', { headers: { 'Sec-WebSocket-Protocol': 'a, a' } }],
  ])('%s: is answered 400', async (_what, options) => {
    const one = client(options);
    const answer = await one.open();
    expect(answer).toMatchObject(problem(400, 'bad-upgrade'));
    expect(answer.headers['sec-websocket-version']).toContain('13');
    expect(await one.ended).toMatchObject({ error: null });
  });

  it('for another protocol is answered as a plain request', async () => {
    const { status, body } = await client({ headers: { Upgrade: 'h2c' } }).open();
    expect([status, body]).toEqual([404, expect.stringContaining('Cannot GET')]);
  });

  it.each(['POST', 'PUT', 'OPTIONS', 'DELETE', 'HEAD'])('the method %s: is answered 400', async method => {
    const one = client();
    await one.connect();
    one.sendRaw(one.handshake().replace('GET', method));
    expect(await one.answer).toMatchObject({ status: 400 });
    await one.ended;
  });

  it.each<[string, string | Buffer]>([
    ['garbage bytes', Buffer.from(Array.from({ length: 2048 }, (_, i) => (i * 151) % 256))],
    ['a TLS greeting', Buffer.from('16030100c8010000c40303', 'hex')],
    ['no HTTP', 'HELO there\r\n\r\n'],
    ['a header without a colon', 'GET /ws HTTP/1.1\r\nHost x\r\n\r\n'],
    ['a version of HTTP that is none', 'GET /ws HTTP/9.7\r\nHost: x\r\n\r\n'],
    ['headers of 100 kB', `GET /ws HTTP/1.1\r\nHost: x\r\n${`X-Filler: ${'x'.repeat(1000)}\r\n`.repeat(100)}\r\n`],
    ['a path of 100 kB', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['10,000 headers', `GET /ws HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(10_000)}\r\n`],
  ])('%s: is refused with 4xx or by closing', async (_what, bytes) => {
    const one = client();
    await one.connect();
    one.sendRaw(bytes);
    const answer = await one.answer.catch(() => null);
    expect(['closed', '4xx']).toContain(answer === null ? 'closed' : `${Math.floor(answer.status / 100)}xx`);
    await one.ended;
  });

  it('half a request and then silence: blocks no other client', async () => {
    const silent = Array.from({ length: 50 }, () => client());
    await Promise.all(silent.map(one => one.connect()));
    for (const one of silent) one.sendRaw(one.handshake().slice(0, -2));
    expect(await connections()).toBe(1);
    expect(await serves(await opened())).toBe(true);
  });

  it('a request in single bytes: is served', async () => {
    const one = client();
    await one.connect();
    for (const byte of one.handshake()) one.sendRaw(byte);
    expect(await one.answer).toMatchObject({ status: 101 });
    expect(await serves(one)).toBe(true);
  });

  it('frames in the same bytes as the request: are read once it is answered', async () => {
    const one = client();
    await one.connect();
    const frames = ['a', 'b', 'c'].map(data =>
      encodeFrame({ opcode: Opcode.text, payload: `{"event":"echo","data":"${data}"}` }),
    );
    one.sendRaw(Buffer.concat([Buffer.from(one.handshake()), ...frames]));
    expect(await one.answer).toMatchObject({ status: 101 });
    await until(() => one.messages.length === 3);
    expect(one.json).toEqual(['a', 'b', 'c'].map(data => ({ event: 'echo', data })));
  });

  it('frames in the same bytes as a request that is refused: are thrown away', async () => {
    const one = client({ path: '/nowhere' });
    await one.connect();
    one.sendRaw(Buffer.concat([Buffer.from(one.handshake()), encodeFrame({ opcode: Opcode.ping, payload: 'x' })]));
    expect(await one.answer).toMatchObject(problem(404, 'no-such-path'));
    expect(await one.ended).toMatchObject({ error: null });
  });
});

describe('a path', () => {
  it.each([
    '/',
    '/nowhere',
    '/nowhere?token=hidden-word',
    '/ws/x',
    '/ws/',
    '//ws',
    '/WS',
    '/ws%2Fx',
    '/ws%00',
    '/x/../y',
    '/w%73/../../etc/passwd',
    '/%',
    '*',
    'http://127.0.0.1/nowhere',
  ])('%s without a server is answered 404', async path => {
    const one = client({ path });
    const answer = await one.open();
    expect(answer).toMatchObject(problem(404, 'no-such-path'));
    expect(answer.body).not.toContain('hidden-word');
    expect(await one.ended).toMatchObject({ error: null });
  });

  // RFC 9112, section 3.2.2: a server must accept the absolute form.
  it.each(['/ws?', '/ws?a=1&b=%20', '/ws?next=/nowhere', '/ws?x=http://y/z', 'http://127.0.0.1/ws'])(
    '%s is that of the gateway',
    async path => {
      const one = client({ path });
      expect(await one.open()).toMatchObject({ status: 101 });
      expect(await serves(one)).toBe(true);
    },
  );
});

describe('a reset', () => {
  const whole = encodeFrame({ opcode: Opcode.text, payload: '{"event":"echo","data":1}' });

  it.each<[string, (one: RawClient) => Promise<unknown>]>([
    ['right after connecting', one => one.connect()],
    [
      'within the request',
      async one => {
        await one.connect();
        one.sendRaw(one.handshake().slice(0, 60));
      },
    ],
    [
      'before the answer',
      async one => {
        await one.connect();
        one.sendRaw(one.handshake());
      },
    ],
    [
      'before the answer that refuses',
      async one => {
        await one.connect();
        one.sendRaw(one.handshake().replace('/ws', '/nowhere'));
      },
    ],
    ['after the answer', one => one.open()],
    [
      'within a frame',
      async one => {
        await one.open();
        one.sendRaw(whole.subarray(0, 9));
      },
    ],
    [
      'after a question',
      async one => {
        await one.open();
        one.sendRaw(whole);
      },
    ],
    [
      'while answers pile up unread',
      async one => {
        await one.open();
        one.pause();
        for (let i = 0; i < 20; i += 1) one.sendEvent('echo', 'x'.repeat(60_000));
      },
    ],
    [
      'after its own Close',
      async one => {
        await one.open();
        // A client that has read the server's FIN cannot reset the connection any more.
        one.pause();
        one.close(1000);
      },
    ],
    [
      'after a bad frame',
      async one => {
        await one.open();
        one.pause();
        one.sendFrame({ opcode: 3 });
      },
    ],
  ])('%s, leaves nothing behind', async (_what, go) => {
    const many = Array.from({ length: 40 }, () => client());
    await Promise.all(many.map(go));
    for (const one of many) one.reset();
    const ends = await Promise.all(many.map(one => one.ended));
    expect(ends).toHaveLength(many.length);
  });
});

describe('an application that fails', () => {
  let program: Program;
  /** Servers of their own, since one may not survive; the probe is with the other. Each logs an error of a place once in a while only. */
  const servers = new Map<string, ServerProcess>();
  beforeAll(async () => {
    program = await Program.compile('support/servers/user-app');
  });
  afterAll(() => program.remove());

  async function serverFor(how: string): Promise<ServerProcess> {
    const own = servers.get(how) ?? (await ServerProcess.start({ entry: program.entry }));
    servers.set(how, own);
    own.stderr = '';
    return own;
  }

  it.each([
    ['handleConnection', 'an object without a text'],
    ['handleDisconnect', 'an object without a text'],
    ['disposer', 'an object without a text'],
    ['answer', 'an object without a text'],
    ['disposer', 'an error whose stack throws'],
    ['disposer', 'an object that throws when it is shown'],
  ])('in its %s, with %s, ends neither the process nor another connection', async (place, how) => {
    const own = await serverFor(how);
    const headers = { 'User-Agent': `${place}: ${how}` };
    const [other, unlucky] = [client({ port: own.port }), client({ port: own.port, headers })];
    await Promise.all([other.open(), unlucky.open()]);
    unlucky.sendEvent('echo');
    expect(await serves(unlucky, 'stream', own)).toBe(true);
    unlucky.close(1000);
    await unlucky.ended;
    await until(() => own.stderr.includes('failed'), { message: () => `a line about it:\n${own.stderr}` });
    expect(await serves(other, 'stream', own)).toBe(true);
  });

  it('to answer with a stream what JSON cannot hold, ends neither the process nor another connection', async () => {
    const own = await serverFor('an object without a text');
    const [other, unlucky] = [client({ port: own.port }), client({ port: own.port })];
    await Promise.all([other.open(), unlucky.open()]);
    // Deep enough that it can be read and not be written.
    unlucky.sendText(`{"event":"stream","data":${'['.repeat(10_000)}${']'.repeat(10_000)}}`);
    await until(() => own.stderr.includes('Maximum call stack'));
    expect(await serves(other, 'stream', own)).toBe(true);
  });
});
