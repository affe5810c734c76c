/** Invalid frames and messages, malicious or not: none affects another client (`probed-server.ts`). */
import { describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { closePayload, encodeFrame, Opcode, type FrameToSend } from '../../apps/loadtest/src/frames.js';
import { RawClient } from '../support/clients/raw-client.js';
import { until } from '../support/assert/until.js';
import { MAX_FRAGMENTS, MESSAGE_TIMEOUT_MS, MAX_MESSAGE_BYTES, opened, probeServer, serves } from './probed-server.js';

probeServer();

/** The sockets are checked once a second: an unfinished message is found that much later at most. */
const SWEEPS_MS = 2000;

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
    ['an event without a handler', '{"event":"nobody"}'],
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
