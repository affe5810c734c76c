/**
 * The protocol through our adapter, in the manner of the Autobahn suite: a gateway that echoes raw frames, with limits opened to
 * 16 MiB and 131,072 fragments (docs/guarantees.md, Conformance).
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { closePayload, encodeFrame, Opcode, type FrameToSend } from '../../apps/loadtest/src/frames.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ServerProcess } from '../support/servers/server-process.js';
import { until } from '../support/assert/until.js';

const MIB = 1024 * 1024;
let server: ServerProcess;
const clients: RawClient[] = [];

beforeAll(async () => {
  server = await ServerProcess.start({
    entry: 'test/e2e/wide-server.ts',
    nodeArgs: ['--import', './test/support/run-typescript.mjs'],
  });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => ServerProcess.stopAll());

async function opened(): Promise<RawClient> {
  const client = await RawClient.opened({ port: server.port });
  clients.push(client);
  return client;
}

/** Bytes that are no pattern. */
function bytes(length: number): Buffer {
  const block = createHash('sha512').update('seed').digest();
  return Buffer.concat(Array.from({ length: Math.ceil(length / block.length) }, () => block)).subarray(0, length);
}

async function echoOf(client: RawClient): Promise<string | Buffer> {
  const { data } = await until(() => client.messages[0], {
    timeoutMs: 20_000,
    message: () => `an echo; closed: ${JSON.stringify(client.closeFrame)}`,
  });
  return data;
}

describe('A raw echo', () => {
  it.each([0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, MIB, 16 * MIB])('of %i bytes', async length => {
    const client = await opened();
    client.sendBinary(bytes(length));
    const echo = (await echoOf(client)) as Buffer;
    expect(Buffer.isBuffer(echo)).toBe(true);
    expect(echo.equals(bytes(length))).toBe(true);
    client.close(1000);
    expect((await client.ended).code).toBe(1000);
  });

  it('of a text of 16 MiB', async () => {
    const client = await opened();
    const text = 'Grüße '.repeat(Math.floor((16 * MIB) / 8));
    client.sendText(text);
    expect((await echoOf(client)) === text).toBe(true);
  });

  it.each([
    [131_072, 1],
    [131_072, 128],
    [65_536, 64],
    [64, 262_144],
  ])('of %i fragments of %i bytes', async (count, size) => {
    const client = await opened();
    const whole = bytes(count * size);
    const frames = Array.from({ length: count }, (_, i) =>
      encodeFrame({
        opcode: i === 0 ? Opcode.binary : Opcode.continuation,
        fin: i === count - 1,
        payload: whole.subarray(i * size, (i + 1) * size),
      }),
    );
    client.sendRaw(Buffer.concat(frames));
    expect(((await echoOf(client)) as Buffer).equals(whole)).toBe(true);
  });

  it('of one fragment more ends with 1008, of one byte more with 1009', async () => {
    const tooMany = await opened();
    tooMany.sendRaw(
      Buffer.concat([
        encodeFrame({ opcode: Opcode.text, fin: false, payload: 'x' }),
        ...Array.from({ length: 131_072 }, () =>
          encodeFrame({ opcode: Opcode.continuation, fin: false, payload: 'x' }),
        ),
      ]),
    );
    expect((await tooMany.ended).code).toBe(1008);
    const tooLarge = await opened();
    tooLarge.sendFrame({ opcode: Opcode.binary, claimedLength: 16 * MIB + 1 });
    expect((await tooLarge.ended).code).toBe(1009);
  });

  it('of what arrives in chops of 997 bytes', async () => {
    const client = await opened();
    const frame = encodeFrame({ opcode: Opcode.binary, payload: bytes(MIB) });
    for (let at = 0; at < frame.length; at += 997) client.sendRaw(frame.subarray(at, at + 997));
    expect(((await echoOf(client)) as Buffer).equals(bytes(MIB))).toBe(true);
  });

  it('answers a ping amid the fragments at once, with what it carried', async () => {
    const client = await opened();
    client.sendFrame({ opcode: Opcode.text, fin: false, payload: 'frag' });
    client.ping('amid');
    await until(() => client.pongs.length === 1);
    expect(client.messages).toEqual([]);
    client.sendFrame({ opcode: Opcode.continuation, payload: 'ment' });
    expect(await echoOf(client)).toBe('fragment');
    expect(String(client.pongs[0]?.data)).toBe('amid');
  });

  it('echoes UTF-8 whose characters are cut by fragments', async () => {
    const client = await opened();
    const text = Buffer.from('κόσμε 𐍈 日本');
    [...text].forEach((_, i) =>
      client.sendFrame({
        opcode: i === 0 ? Opcode.text : Opcode.continuation,
        fin: i === text.length - 1,
        payload: text.subarray(i, i + 1),
      }),
    );
    expect(await echoOf(client)).toBe('κόσμε 𐍈 日本');
  });
});

describe('A fault of the protocol', () => {
  const control = Buffer.alloc(126);

  it.each<[string, FrameToSend[], number]>([
    ['a ping over 125 bytes', [{ opcode: Opcode.ping, payload: control }], 1002],
    ['a ping in fragments', [{ opcode: Opcode.ping, fin: false }], 1002],
    ['RSV1 without compression', [{ opcode: Opcode.text, rsv: 4, payload: 'x' }], 1002],
    ['RSV2', [{ opcode: Opcode.text, rsv: 2, payload: 'x' }], 1002],
    ['RSV3', [{ opcode: Opcode.ping, rsv: 1 }], 1002],
    ['opcode 3', [{ opcode: 3 }], 1002],
    ['opcode 7', [{ opcode: 7 }], 1002],
    ['opcode 11', [{ opcode: 11 }], 1002],
    ['opcode 15', [{ opcode: 15 }], 1002],
    ['a continuation of nothing', [{ opcode: Opcode.continuation, payload: 'x' }], 1002],
    [
      'a message within a message',
      [
        { opcode: Opcode.text, fin: false, payload: 'x' },
        { opcode: Opcode.text, payload: 'x' },
      ],
      1002,
    ],
    ['a frame without a mask', [{ opcode: Opcode.text, payload: 'x', mask: false }], 1002],
    ['a text that is no UTF-8', [{ opcode: Opcode.text, payload: Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80]) }], 1007],
    ['a text that ends within a character', [{ opcode: Opcode.text, payload: Buffer.from([0xce]) }], 1007],
    ['a close of one byte', [{ opcode: Opcode.close, payload: Buffer.from([3]) }], 1002],
    ['a close over 125 bytes', [{ opcode: Opcode.close, payload: closePayload(1000, 'x'.repeat(124)) }], 1002],
    ['a close whose reason is no UTF-8', [{ opcode: Opcode.close, payload: Buffer.from([3, 232, 0xff]) }], 1007],
    ['a close with 1005', [{ opcode: Opcode.close, payload: closePayload(1005) }], 1002],
    ['a close with 999', [{ opcode: Opcode.close, payload: closePayload(999) }], 1002],
    ['a close with 2999', [{ opcode: Opcode.close, payload: closePayload(2999) }], 1002],
    ['a close with 5000', [{ opcode: Opcode.close, payload: closePayload(5000) }], 1002],
  ])('%s is answered by its code', async (_, frames, code) => {
    const client = await opened();
    for (const frame of frames) client.sendFrame(frame);
    expect((await client.ended).code).toBe(code);
    expect(client.messages).toEqual([]);
  });

  it.each([1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])('a close with %i is echoed', async code => {
    const client = await opened();
    client.close(code, 'enough');
    expect(await client.ended).toMatchObject({ code });
  });
});
