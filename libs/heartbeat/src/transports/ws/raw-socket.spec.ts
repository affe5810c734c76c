import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Opcode } from '../../../../../apps/loadtest/src/frames.js';
import { SharedMessage } from '../../connection/shared-message.js';
import { SocketPair, turn } from '../../../../../test/support/servers/socket-pair.js';

const HEADER_BYTES = 2;

describe('RawSocket', () => {
  const pair = new SocketPair();

  beforeEach(async () => {
    pair.open();
    await turn();
    pair.received = [];
  });

  afterEach(() => pair.socket.terminate());

  /** The payloads of all frames so far, without the response to the upgrade. */
  async function payloads(count: number): Promise<string[]> {
    const frames = await pair.frames(count, 0);
    return frames.map(({ payload }) => String(payload));
  }

  it.each(
    [0, 1, 125, 126, 65_535, 65_536].flatMap(length => [
      [length, 'ASCII', 'x'.repeat(length)] as const,
      [length, 'two bytes', 'é'.repeat(length / 2)] as const,
      [length, 'three bytes', '€'.repeat(length / 3)] as const,
      [length, 'four bytes', '🫀'.repeat(length / 4)] as const,
      [length, 'half of a pair', '\ud800'.repeat(length / 3)] as const,
    ]),
  )('writes a text of %d bytes, of characters with %s, as ws would', async (_length, _what, text) => {
    pair.socket.write(text, { binary: false });
    await turn();
    const asWs = Buffer.concat(pair.received);
    pair.received = [];
    pair.socket.write(text);
    await turn();
    expect(Buffer.concat(pair.received).equals(asWs)).toBe(true);
    pair.received = [];
    pair.socket.cork();
    pair.socket.write(text);
    pair.socket.uncork();
    await turn();
    expect(Buffer.concat(pair.received).equals(asWs)).toBe(true);
  });

  it('writes a short text in one piece', async () => {
    pair.socket.write('hello');
    await turn();
    expect(pair.received).toEqual([Buffer.from('\x81\x05hello', 'latin1')]);
  });

  it('collects texts from cork to uncork, counts them as waiting, and writes them in one piece', async () => {
    const { socket, network } = pair;
    Object.assign(network, { bytesWritten: 0 });
    socket.cork();
    for (const text of ['one', 'zwölf', 'three']) socket.write(text);
    const bytes = 3 * HEADER_BYTES + 'one'.length + Buffer.byteLength('zwölf') + 'three'.length;
    expect([socket.bytesWaiting, socket.bytesGiven]).toEqual([bytes, bytes]);
    await turn();
    expect(pair.received).toEqual([]);
    socket.uncork();
    await turn();
    expect([pair.received.length, await payloads(3)]).toEqual([1, ['one', 'zwölf', 'three']]);
    socket.write('four');
    await turn();
    expect(pair.received).toHaveLength(2);
  });

  it.each<[string, (send: SocketPair['socket']) => void, string]>([
    ['bytes', socket => socket.write(Buffer.from('next')), 'next'],
    ['a text with options', socket => socket.write('next', { binary: true }), 'next'],
    ['a text with a callback', socket => socket.write('next', null, () => undefined), 'next'],
    ['a long text', socket => socket.write('n'.repeat(70_000)), 'n'.repeat(70_000)],
    ['a broadcast', socket => socket.writeShared(new SharedMessage('next')), 'next'],
    ['a close of the application', socket => socket.close(1000, 'next'), '\x03\xe8next'],
    ['a close of the library', socket => socket.shut(1000, 'next'), '\x03\xe8next'],
  ])('writes collected texts before %s', async (_what, write, expected) => {
    pair.socket.cork();
    pair.socket.write('held');
    write(pair.socket);
    pair.socket.uncork();
    const [held, next] = await pair.frames(2, 0);
    expect([String(held!.payload), next!.payload.toString('latin1')]).toEqual(['held', expected]);
  });

  it('calls back once the bytes have left, also while texts are collected', async () => {
    const { socket } = pair;
    socket.cork();
    const sent = await new Promise<unknown>(resolve => socket.write('hello', null, error => resolve(error ?? 'sent')));
    expect([sent, await payloads(1)]).toEqual(['sent', ['hello']]);
  });

  it('drops collected texts when it is destroyed', async () => {
    const { socket } = pair;
    socket.cork();
    socket.write('held');
    socket.destroy();
    expect(() => socket.uncork()).not.toThrow();
    await turn();
    expect([pair.received, socket.bytesWaiting]).toEqual([[], 0]);
  });

  it('compresses a text where the client has negotiated that', async () => {
    pair.socket.terminate();
    pair.open({ perMessageDeflate: { threshold: 0 } }, { 'sec-websocket-extensions': 'permessage-deflate' });
    pair.socket.cork();
    pair.socket.write('news');
    pair.socket.uncork();
    const [frame] = await pair.frames(1);
    expect(frame).toMatchObject({ fin: true, rsv: 4, opcode: Opcode.text });
  });

  it('writes a text after a Blob that is still being read', async () => {
    pair.socket.write(new Blob(['first']));
    pair.socket.write('second');
    expect(await payloads(2)).toEqual(['first', 'second']);
  });

  it('continues a message in parts, like ws', async () => {
    pair.socket.write('first', { fin: false });
    pair.socket.write('second');
    expect(await pair.frames(2, 0)).toMatchObject([
      { opcode: Opcode.text, fin: false },
      { opcode: Opcode.continuation, fin: true },
    ]);
  });
});
