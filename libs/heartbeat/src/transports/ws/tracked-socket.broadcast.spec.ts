import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import { inflateRawSync } from 'node:zlib';

import { Opcode } from '../../../../../apps/loadtest/src/frames.js';
import { transmitShared } from '../../connection/sending.js';
import { SharedMessage } from '../../connection/shared-message.js';
import { Line, SocketPair, turn } from '../../../../../test/support/servers/socket-pair.js';

describe('TrackedSocket', () => {
  const pair = new SocketPair();

  beforeEach(() => pair.open());

  afterEach(() => pair.socket.terminate());

  describe('given a broadcast', () => {
    it.each(
      [0, 1, 125, 126, 65_535, 65_536].flatMap(length => [
        [length, 'text', 'x'.repeat(length)] as const,
        [length, 'bytes', Buffer.alloc(length, 'x')] as const,
      ]),
    )('sends %d bytes of %s as ws would, in one write', async (length, _what, data) => {
      pair.socket.send(data);
      await turn();
      const asWs = pair.afterUpgrade();
      pair.received = [];
      transmitShared(pair.socket.tracked!, new SharedMessage(data));
      await turn();
      expect(pair.received).toEqual([asWs]);
      expect(pair.calls).toEqual([length, length]);
    });

    it('sends none that must not be queued', async () => {
      await turn();
      pair.received = [];
      pair.mayQueue = false;
      transmitShared(pair.socket.tracked!, new SharedMessage('news'));
      await turn();
      expect([pair.calls, pair.received]).toEqual([[4], []]);
    });

    it('sends none once it is closing', async () => {
      pair.socket.close(1000);
      await turn();
      const before = pair.received.length;
      transmitShared(pair.socket.tracked!, new SharedMessage('news'));
      await turn();
      expect([pair.calls.includes(4), pair.received.length]).toEqual([false, before]);
    });

    it('compresses it where the client has negotiated that', async () => {
      pair.socket.terminate();
      pair.calls = [];
      pair.open({ perMessageDeflate: { threshold: 0 } }, { 'sec-websocket-extensions': 'permessage-deflate' });
      transmitShared(pair.socket.tracked!, new SharedMessage('news'));
      const [frame] = await pair.frames(1);
      expect(frame).toMatchObject({ fin: true, rsv: 4, opcode: Opcode.text });
      const tail = Buffer.from([0, 0, 0xff, 0xff]);
      const inflated = inflateRawSync(Buffer.concat([frame!.payload, tail]), { finishFlush: 2 });
      expect([String(inflated), pair.calls]).toEqual(['news', [4]]);
    });

    it('sends it after a Blob that is still being read', async () => {
      pair.socket.send(new Blob(['first']));
      transmitShared(pair.socket.tracked!, new SharedMessage('second'));
      const frames = await pair.frames(2);
      expect(frames.map(({ payload }) => String(payload))).toEqual(['first', 'second']);
    });

    it('sends it in order among other messages', async () => {
      pair.socket.send('a');
      transmitShared(pair.socket.tracked!, new SharedMessage('b'));
      pair.socket.send('c');
      const frames = await pair.frames(3);
      expect(frames.map(({ payload }) => String(payload)).join('')).toBe('abc');
    });

    it.each([[{ fin: false }], [{ fin: undefined }]])(
      'begins no message within one that is sent in parts (%o): like any message then, it ends that one, as in ws',
      async part => {
        pair.socket.send('first', part);
        transmitShared(pair.socket.tracked!, new SharedMessage(Buffer.from('second')));
        const frames = await pair.frames(2);
        expect(frames).toMatchObject([
          { opcode: Opcode.text, fin: false },
          { opcode: Opcode.continuation, fin: true },
        ]);
      },
    );

    it('sends it before there is a connection, like any message', async () => {
      pair.socket.forget();
      pair.socket.writeShared(new SharedMessage('news'));
      const frames = await pair.frames(1);
      expect(frames.map(({ payload }) => String(payload))).toEqual(['news']);
    });

    it('leaves it to ws where that writes to another stream than the network socket', async () => {
      const other = new Line();
      pair.socket.attach(other as unknown as Socket);
      transmitShared(pair.socket.tracked!, new SharedMessage('news'));
      const frames = await pair.frames(1);
      expect([frames.map(({ payload }) => String(payload)), other.writableLength, pair.calls]).toEqual([
        ['news'],
        0,
        [4],
      ]);
    });

    it('begins no message within one whose first part was sent during its admission', async () => {
      const connection = pair.socket.tracked!;
      const { admits } = connection;
      connection.admits = (kind, bytes) => {
        connection.admits = admits;
        pair.socket.send('first', { fin: false });
        return admits(kind, bytes);
      };
      transmitShared(pair.socket.tracked!, new SharedMessage('second'));
      const frames = await pair.frames(2);
      expect(frames.map(({ opcode }) => opcode)).toEqual([Opcode.text, Opcode.continuation]);
    });

    it('sends none after the close frame, where the admission has closed the socket', async () => {
      Object.assign(pair.socket.connection, { admits: () => (pair.socket.close(1000), true) });
      transmitShared(pair.socket.tracked!, new SharedMessage('news'));
      await turn();
      expect((await pair.frames(1)).map(({ opcode }) => opcode)).toEqual([Opcode.close]);
    });
  });
});
