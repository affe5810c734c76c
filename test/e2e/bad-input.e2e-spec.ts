/**
 * Invalid input, malicious or not. Beside each input a well-behaved client echoes all the time; after each, it must
 * not be affected, the process must be the same, and the registry must hold no other connection.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Probe } from '../support/assert/probe.js';
import { closePayload, encodeFrame, Opcode, type FrameToSend } from '../../apps/loadtest/src/frames.js';
import { Program } from '../support/servers/program.js';
import { RawClient, type RawClientOptions } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { Stalls } from '../support/faults/stalls.js';
import { until } from '../support/assert/until.js';

const MAX_MESSAGE_BYTES = 65_536;
const MAX_FRAGMENTS = 16;
const MESSAGE_TIMEOUT_MS = 1000;
/** The sockets are checked once a second: an unfinished message is found that much later at most. */
const SWEEPS_MS = 2000;
/** The longest wait of the probe for a reply: a busy machine takes some of it. */
const NOTICED_MS = 500;
const ADMIN_TOKEN = 'a-token-for-tests-only';

let server: ServerProcess | null = null;
let pid = 0;
let probe: Probe;
let stalls: Stalls;
const clients: RawClient[] = [];

beforeEach(async () => {
  if (server === null || isGone(server.pid)) {
    server = await ServerProcess.start({
      env: {
        ADMIN_TOKEN,
        LIMITS_MAX_FRAGMENTS: `${MAX_FRAGMENTS}`,
        LIMITS_MESSAGE_TIMEOUT_MS: `${MESSAGE_TIMEOUT_MS}`,
        DRAIN_CLOSE_TIMEOUT_MS: '500',
      },
    });
  }
  pid = server.pid;
  probe = await Probe.start(server.port);
  stalls = Stalls.watch();
});

afterEach(async () => {
  try {
    const complaints = await aftermath();
    if (complaints.length > 0) throw new Error(complaints.join('\n'));
  } finally {
    stalls.stop();
    probe.stop();
  }
  await until(async () => (await connections()) === 0, { message: 'the books to be empty' });
});

/** The traces of the test that affect other clients; empty when there are none. */
async function aftermath(): Promise<string[]> {
  if (isGone(pid)) return [`the process has ended:\n${server?.output.slice(-2000)}`];
  const answered = probe.answers;
  await until(() => probe.answers > answered + 3, { message: 'more answers for the probe' });
  for (const one of clients.splice(0)) one.destroy();
  await until(async () => (await connections()) === 1, { message: 'the books to hold the probe only' });
  const allowedMs = NOTICED_MS + stalls.longestMs;
  const slow = probe.slowestMs < allowedMs ? [] : [`waited ${probe.slowestMs} ms for an answer`];
  return [...probe.complaints, ...slow].map(complaint => `the probe ${complaint}`);
}

afterAll(() => ServerProcess.stopAll());

function isGone(id: number): boolean {
  try {
    process.kill(id, 0);
    return false;
  } catch {
    return true;
  }
}

/** The number of connections in the server's registry. */
async function connections(): Promise<number> {
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  const answer = await fetch(`${server?.url}/admin/connections?limit=1`, { headers });
  return ((await answer.json()) as { total: number }).total;
}

function client(options: Partial<RawClientOptions> = {}): RawClient {
  const made = new RawClient({ port: server?.port ?? 0, ...options });
  clients.push(made);
  return made;
}

async function opened(): Promise<RawClient> {
  const made = client();
  expect(await made.open()).toMatchObject({ status: 101 });
  return made;
}

/** Whether it still serves this one: its next question is answered, after whatever else it has got. */
async function serves(one: RawClient, event = 'echo', of = server): Promise<boolean> {
  const data = `still there ${performance.now()}`;
  one.sendEvent(event, data);
  const answer = JSON.stringify({ event, data });
  await until(() => one.texts.includes(answer), { message: () => `an answer:\n${of?.stderr.slice(-500)}` });
  return true;
}

/** A refusal as docs/protocol.md has it: problem+json whose type ends in `name`. */
function problem(status: number, name: string) {
  return {
    status,
    headers: expect.objectContaining({ 'content-type': 'application/problem+json', connection: 'close' }),
    body: expect.stringMatching(new RegExp(`"type":"[^"]*\\b${name}"`)),
  };
}

function closing(code: number, reason = ''): FrameToSend {
  return { opcode: Opcode.close, payload: closePayload(code, reason) };
}

/** A frame of a message, the first of it unless another opcode is given. */
function frame(payload: string | Buffer, fin = true, opcode: number = Opcode.text): FrameToSend {
  return { opcode, payload, fin };
}

/** Empty lists in each other. */
function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

/** An input that a peer repeats until it is closed. */
type Meanwhile = (one: RawClient) => void;
const nothing: Meanwhile = () => {};

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

describe('a frame that breaks RFC 6455', () => {
  const notUtf8 = Buffer.from([0x22, 0xc3, 0x28, 0x22]);

  it.each<[string, number, FrameToSend[]]>([
    ['without a mask', 1002, [{ ...frame('{}'), mask: false }]],
    ['with RSV1, which no extension has agreed on', 1002, [{ ...frame('{}'), rsv: 4 }]],
    ['with RSV2', 1002, [{ ...frame('{}'), rsv: 2 }]],
    ['with RSV3', 1002, [{ ...frame('{}'), rsv: 1 }]],
    ['with the opcode 3', 1002, [{ opcode: 3, payload: 'x' }]],
    ['with the opcode 7', 1002, [{ opcode: 7, payload: 'x' }]],
    ['with the opcode 11', 1002, [{ opcode: 11, payload: 'x' }]],
    ['with the opcode 15', 1002, [{ opcode: 15, payload: 'x' }]],
    ['a ping of 126 bytes', 1002, [{ opcode: Opcode.ping, payload: 'x'.repeat(126) }]],
    ['a pong of 70,000 bytes', 1002, [{ opcode: Opcode.pong, payload: 'x'.repeat(70_000) }]],
    ['a Close of 126 bytes', 1002, [closing(1000, 'x'.repeat(124))]],
    ['a ping in fragments', 1002, [{ opcode: Opcode.ping, payload: 'x', fin: false }]],
    ['a Close in fragments', 1002, [{ ...closing(1000), fin: false }]],
    ['a continuation of nothing', 1002, [{ opcode: Opcode.continuation, payload: 'x' }]],
    ['a message within a message', 1002, [frame('{', false), frame('}')]],
    ['text that is no UTF-8', 1007, [frame(notUtf8)]],
    [
      'text that is no UTF-8, in fragments',
      1007,
      [frame(notUtf8.subarray(0, 2), false), { opcode: 0, payload: notUtf8.subarray(2) }],
    ],
    ['a Close of one byte', 1002, [{ opcode: Opcode.close, payload: Buffer.from([3]) }]],
    ['a Close whose reason is no UTF-8', 1007, [{ opcode: Opcode.close, payload: Buffer.from([3, 0xe8, 0xff]) }]],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code): [string, number, FrameToSend[]] => [
      `a Close with the code ${code}`,
      1002,
      [closing(code)],
    ]),
    ['a length of more than 2^53 bytes', 1009, [{ ...frame(''), claimedLength: 2 ** 60 }]],
  ])('%s is answered with %d', async (_what, code, frames) => {
    const one = await opened();
    for (const each of frames) one.sendFrame(each);
    expect(await one.ended).toMatchObject({ code, error: null });
    expect(one.messages).toEqual([]);
  });

  it('after a Close is not read any more', async () => {
    const one = await opened();
    one.sendRaw(Buffer.concat([encodeFrame(closing(1000)), encodeFrame(frame('{"event":"echo","data":1}'))]));
    expect(await one.ended).toMatchObject({ code: 1000 });
    expect(one.messages).toEqual([]);
  });
});

describe('a message that is too much', () => {
  const half = 'x'.repeat(MAX_MESSAGE_BYTES / 2);

  it.each<[string, number, FrameToSend[]]>([
    ['one byte more than allowed', 1009, [frame('x'.repeat(MAX_MESSAGE_BYTES + 1))]],
    ['binary, and one byte more than allowed', 1009, [frame('x'.repeat(MAX_MESSAGE_BYTES + 1), true, Opcode.binary)]],
    ['only announced as too large', 1009, [{ ...frame(''), claimedLength: MAX_MESSAGE_BYTES + 1 }]],
    ['announced as a terabyte', 1009, [{ ...frame('x'), claimedLength: 2 ** 40 }]],
    ['too large in fragments', 1009, [frame(half, false), frame(half, false, 0), frame('x', true, 0)]],
    [
      'too large by an announced fragment',
      1009,
      [frame(half, false), { ...frame('', true, 0), claimedLength: MAX_MESSAGE_BYTES }],
    ],
    [
      'in one fragment more than allowed',
      1008,
      Array.from({ length: MAX_FRAGMENTS + 1 }, (_, i) => frame('x', i === MAX_FRAGMENTS, i === 0 ? Opcode.text : 0)),
    ],
    [
      'in empty fragments without end',
      1008,
      Array.from({ length: 5000 }, (_, i) => frame('', false, i === 0 ? Opcode.text : 0)),
    ],
  ])('%s, is closed with %d', async (_what, code, frames) => {
    const one = await opened();
    one.sendRaw(Buffer.concat(frames.map(encodeFrame)));
    const { code: closedWith } = await one.ended;
    expect(closedWith).toBe(code);
    expect(one.messages).toEqual([]);
  });

  it('is not: one of just the allowed size, and one of just the allowed fragments', async () => {
    const one = await opened();
    const message = `${`{"event":"echo","data":"${'x'.repeat(MAX_MESSAGE_BYTES)}`.slice(0, MAX_MESSAGE_BYTES - 2)}"}`;
    one.sendText(message);
    one.sendFragments(['{"event":"echo"', ...Array.from({ length: MAX_FRAGMENTS - 2 }, () => ' '), '}']);
    await until(() => one.messages.length === 2);
    expect(one.texts).toEqual([message, '{"event":"echo"}']);
  });
});

describe('a message that stays unfinished', () => {
  const whole = encodeFrame({ opcode: Opcode.text, payload: '{"event":"echo","data":"whole"}' });
  const long = encodeFrame({ opcode: Opcode.text, payload: 'x'.repeat(1000) });

  const CASES: readonly [string, Buffer, Meanwhile][] = [
    ['one byte of a header', long.subarray(0, 1), nothing],
    ['a header without its mask', long.subarray(0, 4), nothing],
    ['a header', long.subarray(0, 8), nothing],
    ['half a frame', long.subarray(0, 500), nothing],
    ['half a frame of a control frame', encodeFrame({ opcode: Opcode.ping, payload: 'ping' }).subarray(0, 4), nothing],
    ['a frame but for its last byte', long.subarray(0, -1), nothing],
    ['an open fragment', encodeFrame({ opcode: Opcode.text, payload: '{', fin: false }), nothing],
    ['an open fragment, and pongs', encodeFrame({ opcode: Opcode.text, payload: '{', fin: false }), one => one.pong()],
    [
      'an open fragment, and pings',
      encodeFrame({ opcode: Opcode.text, payload: '{', fin: false }),
      one => one.ping('x'),
    ],
    [
      'a frame that trickles in',
      encodeFrame({ opcode: Opcode.text, payload: '{', claimedLength: 60_000 }),
      one => one.sendRaw('x'),
    ],
    ['a whole message and half of the next in the same bytes', Buffer.concat([whole, long.subarray(0, 9)]), nothing],
    ['a whole message and the first byte of the next', Buffer.concat([whole, long.subarray(0, 1)]), nothing],
  ];

  it('is closed with 4004 when messageTimeoutMs has passed, and not before', async () => {
    const told = await Promise.all(
      CASES.map(async ([what, bytes, meanwhile]) => {
        const one = await opened();
        const sentAt = performance.now();
        one.sendRaw(bytes);
        const timer = setInterval(() => {
          if (one.closeFrame === null && !one.socket.destroyed) meanwhile(one);
        }, 100);
        const { code, at } = await one.ended;
        clearInterval(timer);
        const afterMs = at - sentAt;
        const inTime = afterMs >= MESSAGE_TIMEOUT_MS && afterMs < MESSAGE_TIMEOUT_MS + SWEEPS_MS + 500;
        return `${what}: ${code}${inTime ? '' : ` after ${Math.round(afterMs)} ms`}`;
      }),
    );
    expect(told).toEqual(CASES.map(([what]) => `${what}: 4004`));
  });

  it('is no fault while each one is finished in time, however many there are', async () => {
    const one = await opened();
    const from = performance.now();
    let sent = 0;
    while (performance.now() < from + MESSAGE_TIMEOUT_MS + SWEEPS_MS + 500) {
      // Each begins in the bytes that end the one before, so that one is always in the making.
      one.sendRaw(sent === 0 ? whole.subarray(0, 9) : Buffer.concat([whole.subarray(9), whole.subarray(0, 9)]));
      sent += 1;
      await sleep(MESSAGE_TIMEOUT_MS / 4);
    }
    await until(() => one.messages.length === sent - 1);
    expect(one.closeFrame).toBeNull();
  });
});

describe('a message that means nothing', () => {
  it.each<[string, string]>([
    ['nothing at all', ''],
    ['half of JSON', '{"event":"echo"'],
    ['no JSON', 'echo'],
    ['an array', '[]'],
    ['an array with a message in it', '[{"event":"echo","data":1}]'],
    ['null', 'null'],
    ['a number', '17'],
    ['true', 'true'],
    ['a text', '"echo"'],
    ['an empty object', '{}'],
    ['an object without an event', '{"data":1}'],
    ['an event that nobody takes', '{"event":"nobody"}'],
    ['an event that is null', '{"event":null}'],
    ['an event that is a number', '{"event":0}'],
    ['an event that is a list', '{"event":["echo"],"data":1}'],
    ['an event that is an object', '{"event":{"name":"echo"}}'],
    ['an event that cannot be made a text', '{"event":{"toString":1,"valueOf":1}}'],
    ['an event that is nested 10,000 deep', `{"event":${nested(10_000)}}`],
    ['an event of 60,000 characters', `{"event":"${'x'.repeat(60_000)}"}`],
    ['an event that every object has', '{"event":"constructor"}'],
    ['an event that is a prototype', '{"event":"__proto__"}'],
    ['an event in a prototype', '{"__proto__":{"event":"echo","data":1}}'],
    ['JSON that is nested 30,000 deep', nested(30_000)],
    ['a zero character', '\0'],
    ['a byte order mark before good JSON', '\ufeff{"event":"echo"}'],
  ])('%s, is answered with one exception, and the next is served', async (_what, message) => {
    const one = await opened();
    one.sendText(message);
    await until(() => one.messages.length > 0);
    expect(one.json).toEqual([
      { event: 'exception', data: { status: 'error', message: expect.stringMatching(/^.{1,300}$/s) } },
    ]);
    expect(await serves(one)).toBe(true);
  });

  it.each<[string, Buffer]>([
    ['zeros', Buffer.alloc(1000)],
    ['bytes of all kinds', Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 151) % 256))],
    ['no bytes', Buffer.alloc(0)],
  ])('binary, %s, is answered with one exception too', async (_what, payload) => {
    const one = await opened();
    one.sendBinary(payload);
    await until(() => one.messages.length > 0);
    expect(one.json).toEqual([{ event: 'exception', data: { status: 'error', message: expect.any(String) } }]);
    expect(await serves(one)).toBe(true);
  });

  it('but resembles a prototype inside, is returned unchanged', async () => {
    const one = await opened();
    const message =
      '{"event":"echo","data":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}';
    one.sendText(message);
    one.sendEvent('echo', {});
    await until(() => one.messages.length === 2);
    expect(one.texts).toEqual([message, '{"event":"echo","data":{}}']);
  });

  it('whose data is nested 10,000 deep, ends nothing but itself', async () => {
    const one = await opened();
    one.sendText(`{"event":"echo","data":${nested(10_000)}}`);
    expect(await serves(one)).toBe(true);
  });

  it('thousands of times at once, is answered as often', async () => {
    const one = await opened();
    one.sendRaw(Buffer.concat(Array.from({ length: 2000 }, () => encodeFrame({ opcode: Opcode.text, payload: '{' }))));
    await until(() => one.messages.length === 2000, { timeoutMs: 15_000 });
    expect(await serves(one)).toBe(true);
  });
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
  beforeAll(async () => {
    program = await Program.compile('support/servers/user-app');
  });
  afterAll(() => program.remove());

  /** A server of its own, since it may not survive; the probe is with the other. */
  async function app(env: Readonly<Record<string, string>>): Promise<ServerProcess> {
    return ServerProcess.start({ entry: program.entry, env });
  }

  it.each([
    ['handleConnection', 'an object without a text'],
    ['handleDisconnect', 'an object without a text'],
    ['disposer', 'an object without a text'],
    ['answer', 'an object without a text'],
    ['disposer', 'an error whose stack throws'],
    ['disposer', 'an object that throws when it is shown'],
  ])('in its %s, with %s, ends neither the process nor another connection', async (place, how) => {
    const own = await app({ FAIL_IN: place, FAIL_WITH: how });
    const [other, unlucky] = [client({ port: own.port }), client({ port: own.port })];
    await Promise.all([other.open(), unlucky.open()]);
    unlucky.sendEvent('echo');
    expect(await serves(unlucky, 'stream', own)).toBe(true);
    unlucky.close(1000);
    await unlucky.ended;
    await until(() => own.stderr.includes('failed'), { message: () => `a line about it:\n${own.stderr}` });
    expect(await serves(other, 'stream', own)).toBe(true);
  });

  it('to answer with a stream what JSON cannot hold, ends neither the process nor another connection', async () => {
    const own = await app({});
    const [other, unlucky] = [client({ port: own.port }), client({ port: own.port })];
    await Promise.all([other.open(), unlucky.open()]);
    // Deep enough that it can be read and not be written.
    unlucky.sendText(`{"event":"stream","data":${'['.repeat(10_000)}${']'.repeat(10_000)}}`);
    await until(() => own.stderr.includes('Maximum call stack'));
    expect(await serves(other, 'stream', own)).toBe(true);
  });
});
