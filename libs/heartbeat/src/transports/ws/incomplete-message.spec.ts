import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

import { type WebSocket, WebSocketServer } from 'ws';

import { encodeFrame, Opcode } from '../../../../../apps/loadtest/src/frames.js';
import { hasIncompleteMessage } from './incomplete-message.js';

/** One end of a connection without the other: the test pushes the bytes of the peer. */
class Line extends Duplex {
  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }
}

const upgrade = {
  method: 'GET',
  url: '/',
  headers: {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
  },
};

const text = (payload: string, fin = true) => encodeFrame({ opcode: Opcode.text, payload, fin });
const more = (payload: string, fin = true) => encodeFrame({ opcode: Opcode.continuation, payload, fin });
const ping = encodeFrame({ opcode: Opcode.ping, payload: 'p' });
const large = encodeFrame({ opcode: Opcode.binary, payload: Buffer.alloc(70_000) });

// These tests read private fields of ws through the function under test. They fail if ws renames them.
describe('hasIncompleteMessage', () => {
  let line: Line;
  let socket: WebSocket;
  let messages: number;

  beforeEach(() => {
    line = new Line();
    messages = 0;
    const server = new WebSocketServer({ noServer: true, maxPayload: 100_000 });
    server.handleUpgrade(upgrade as unknown as IncomingMessage, line, Buffer.alloc(0), opened => {
      socket = opened;
    });
    socket.on('message', () => messages++);
  });

  afterEach(() => socket.terminate());

  /** The peer's bytes arrive, and are read. */
  async function feed(...chunks: Buffer[]): Promise<void> {
    for (const chunk of chunks) {
      line.push(chunk);
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  it.each<[string, Buffer[], number]>([
    ['nothing', [], 0],
    ['a whole message', [text('a')], 1],
    ['an empty message', [text('')], 1],
    ['a whole message in pieces', [large.subarray(0, 3), large.subarray(3, 5000), large.subarray(5000)], 1],
    ['many complete messages at once', [Buffer.concat([text('a'), large, text('b')])], 3],
    ['a message of fragments', [text('a', false), more('b', false), more('c')], 1],
    ['a message of fragments with a ping within', [text('a', false), ping, more('b')], 1],
    ['a ping alone', [ping], 0],
  ])('is false after %s', async (_what, chunks, expected) => {
    await feed(...chunks);
    expect([hasIncompleteMessage(socket), messages]).toEqual([false, expected]);
  });

  it.each<[string, Buffer[], number]>([
    ['the first byte of a frame', [text('a').subarray(0, 1)], 0],
    ['a header without its mask', [text('a').subarray(0, 2)], 0],
    ['a header that is split within the long length', [large.subarray(0, 6)], 0],
    ['a header with no payload yet', [text('abc').subarray(0, 6)], 0],
    ['all but the last byte', [large.subarray(0, -1)], 0],
    ['a first fragment', [text('a', false)], 0],
    ['an empty first fragment', [text('', false)], 0],
    ['fragments without the last', [text('a', false), more('b', false)], 0],
    ['a fragment and a whole ping', [text('a', false), ping], 0],
    ['a part of a ping', [ping.subarray(0, 4)], 0],
    [
      'the beginning of a second message, in one piece with the first',
      [Buffer.concat([text('a'), text('b').subarray(0, 3)])],
      1,
    ],
  ])('is true after %s', async (_what, chunks, expected) => {
    await feed(...chunks);
    expect([hasIncompleteMessage(socket), messages]).toEqual([true, expected]);
  });

  it('is false again once the rest has arrived', async () => {
    const whole = text('abc');
    await feed(whole.subarray(0, 4));
    expect(hasIncompleteMessage(socket)).toBe(true);
    await feed(whole.subarray(4));
    expect([hasIncompleteMessage(socket), messages]).toEqual([false, 1]);
  });

  it('is false for a socket that is not connected', () => {
    expect(hasIncompleteMessage({} as WebSocket)).toBe(false);
  });
});
