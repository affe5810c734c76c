import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { inflateRawSync } from 'node:zlib';

import * as fc from 'fast-check';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';

import { closePayload, encodeFrame, Opcode, readFrameHeader } from '../../../../../apps/loadtest/src/frames.js';
import type { Connection } from '../../connection/connection.js';
import { transmitShared } from '../../connection/sending.js';
import { SharedMessage } from '../../connection/shared-message.js';
import { LISTENER_FAILED, type SocketListeners } from './socket-listeners.js';
import { TrackedSocket } from './tracked-socket.js';

/** One end of a connection without a network: bytes written to it arrive at the other end. */
class Line extends Duplex {
  other: Line | undefined;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.other?.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.other?.push(null);
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

const UPGRADED = Buffer.from('\r\n\r\n');

/** The whole frames of a server, as they are on the wire. */
function framesIn(bytes: Buffer) {
  const frames = [];
  for (let at = 0, header; (header = readFrameHeader(bytes, at)) !== null;) {
    const start = at + header.bytes;
    at = start + header.length;
    if (at > bytes.length) break;
    frames.push({ ...header, payload: bytes.subarray(start, at) });
  }
  return frames;
}

const turn = () => new Promise(resolve => setImmediate(resolve));

describe('TrackedSocket', () => {
  let client: Line;
  let network: Line;
  let socket: TrackedSocket;
  /** The calls of the connection by the socket, in order. */
  let told: unknown[];
  let mayQueue: boolean;
  /** The bytes that arrived at the client's end. */
  let received: Buffer[];

  const open = (options: Omit<ServerOptions, 'WebSocket'> = {}, headers: Record<string, string> = {}) => {
    const line = (client = new Line());
    network = new Line();
    [client.other, network.other] = [network, client];
    received = [];
    line.on('data', (chunk: Buffer) => line === client && received.push(chunk));
    told = [];
    mayQueue = true;
    const limits = { maxPayload: 100, maxFragments: 4 };
    const server = new WebSocketServer({ noServer: true, WebSocket: TrackedSocket, ...limits, ...options });
    const request = { ...upgrade, headers: { ...upgrade.headers, ...headers } } as unknown as IncomingMessage;
    server.handleUpgrade(request, network, Buffer.alloc(0), opened => {
      socket = opened;
    });
    socket.on('error', () => undefined);
    socket.attach(network as unknown as Socket);
    socket.track({
      transport: socket,
      closeBegun: (closing: unknown) => told.push(closing),
      admits: (_kind: string, bytes: number) => (told.push(bytes), mayQueue),
      catchUp: () => undefined,
      beforePong: () => undefined,
    } as unknown as Connection);
  };

  beforeEach(() => open());

  afterEach(() => socket.terminate());

  const closed = () => new Promise<number>(resolve => socket.once('close', resolve));

  it('counts sent messages of any caller', () => {
    socket.send('a');
    socket.send('b', () => undefined);
    socket.send(Buffer.from('c'), { binary: true }, () => undefined);
    expect(told).toEqual([1, 1, 1]);
  });

  it.each<[string, unknown, number]>([
    ['text by the bytes of its UTF-8', 'aé€😀', 10],
    ['no text', '', 0],
    ['a buffer', Buffer.alloc(300), 300],
    ['an array buffer', new ArrayBuffer(20), 20],
    ['a view of a part of one', new DataView(new ArrayBuffer(20), 5, 7), 7],
    ['a typed array of wide numbers', new Float64Array(3), 24],
    ['a number, which is sent as text', 12_345, 5],
    ['a list of bytes', [1, 2, 3], 3],
    ['a blob', new Blob(['aé']), 3],
    ['nothing, which is sent as an empty message', undefined, 0],
  ])('counts %s, as ws sends it', (_what, data, bytes) => {
    socket.send(data as string);
    expect(told).toEqual([bytes]);
  });

  it('sends nothing after the close frame, where the admission of a message has closed the socket, and reports it to the caller', async () => {
    Object.assign(socket.connection, { admits: () => (socket.close(1000), true) });
    const error = await new Promise<unknown>(resolve => socket.send('a', resolve));
    await turn();
    expect([String(error), socket.bufferedAmount]).toEqual([expect.stringContaining('is not open'), 0]);
  });

  it('treats null options as none, as ws does', () => {
    socket.send('a', null as unknown as undefined, () => undefined);
    expect(told).toEqual([1]);
  });

  it('sends no message that must not be queued, and reports it to the caller', async () => {
    mayQueue = false;
    await turn();
    received = [];
    const error = await new Promise<unknown>(resolve => socket.send('a', { binary: false }, resolve));
    expect(error).toMatchObject({ code: 'HEARTBEAT_MESSAGE_DROPPED' });
    expect(() => socket.send('b')).not.toThrow();
    await turn();
    expect([told, received]).toEqual([[1, 1], []]);
    mayQueue = true;
    socket.send('c');
    await turn();
    expect(Buffer.concat(received)).toEqual(encodeFrame({ opcode: Opcode.text, payload: 'c', mask: false }));
  });

  /** The bytes after the response to the upgrade. */
  const afterUpgrade = () => {
    const bytes = Buffer.concat(received);
    return bytes.subarray(bytes.indexOf(UPGRADED) + UPGRADED.length);
  };

  /** The received frames, once there are this many. */
  const came = async (frames: number) => {
    for (;;) {
      const all = framesIn(afterUpgrade());
      if (all.length >= frames) return all;
      await turn();
    }
  };

  describe('given a broadcast', () => {
    it.each(
      [0, 1, 125, 126, 65_535, 65_536].flatMap(length => [
        [length, 'text', 'x'.repeat(length)] as const,
        [length, 'bytes', Buffer.alloc(length, 'x')] as const,
      ]),
    )('sends %d bytes of %s as ws would, in one write', async (length, _what, data) => {
      socket.send(data);
      await turn();
      const asWs = afterUpgrade();
      received = [];
      transmitShared(socket.tracked!, new SharedMessage(data));
      await turn();
      expect(received).toEqual([asWs]);
      expect(told).toEqual([length, length]);
    });

    it('sends none that must not be queued', async () => {
      await turn();
      received = [];
      mayQueue = false;
      transmitShared(socket.tracked!, new SharedMessage('news'));
      await turn();
      expect([told, received]).toEqual([[4], []]);
    });

    it('sends none once it is closing', async () => {
      socket.close(1000);
      await turn();
      const before = received.length;
      transmitShared(socket.tracked!, new SharedMessage('news'));
      await turn();
      expect([told.includes(4), received.length]).toEqual([false, before]);
    });

    it('compresses it where the client has negotiated that', async () => {
      socket.terminate();
      told = [];
      open({ perMessageDeflate: { threshold: 0 } }, { 'sec-websocket-extensions': 'permessage-deflate' });
      transmitShared(socket.tracked!, new SharedMessage('news'));
      const [frame] = await came(1);
      expect(frame).toMatchObject({ fin: true, rsv: 4, opcode: Opcode.text });
      const tail = Buffer.from([0, 0, 0xff, 0xff]);
      const inflated = inflateRawSync(Buffer.concat([frame!.payload, tail]), { finishFlush: 2 });
      expect([String(inflated), told]).toEqual(['news', [4]]);
    });

    it('sends it after a Blob that is still being read', async () => {
      socket.send(new Blob(['first']));
      transmitShared(socket.tracked!, new SharedMessage('second'));
      const frames = await came(2);
      expect(frames.map(({ payload }) => String(payload))).toEqual(['first', 'second']);
    });

    it('sends it in order among other messages', async () => {
      socket.send('a');
      transmitShared(socket.tracked!, new SharedMessage('b'));
      socket.send('c');
      const frames = await came(3);
      expect(frames.map(({ payload }) => String(payload)).join('')).toBe('abc');
    });

    it.each([[{ fin: false }], [{ fin: undefined }]])(
      'begins no message within one that is sent in parts (%o): like any message then, it ends that one, as in ws',
      async part => {
        socket.send('first', part);
        transmitShared(socket.tracked!, new SharedMessage(Buffer.from('second')));
        const frames = await came(2);
        expect(frames).toMatchObject([
          { opcode: Opcode.text, fin: false },
          { opcode: Opcode.continuation, fin: true },
        ]);
      },
    );

    it('sends it before there is a connection, like any message', async () => {
      socket.forget();
      socket.writeShared(new SharedMessage('news'));
      const frames = await came(1);
      expect(frames.map(({ payload }) => String(payload))).toEqual(['news']);
    });

    it('leaves it to ws where that writes to another stream than the network socket', async () => {
      const other = new Line();
      socket.attach(other as unknown as Socket);
      transmitShared(socket.tracked!, new SharedMessage('news'));
      const frames = await came(1);
      expect([frames.map(({ payload }) => String(payload)), other.writableLength, told]).toEqual([['news'], 0, [4]]);
    });

    it('begins no message within one whose first part was sent during its admission', async () => {
      const connection = socket.tracked!;
      const { admits } = connection;
      connection.admits = (kind, bytes) => {
        connection.admits = admits;
        socket.send('first', { fin: false });
        return admits(kind, bytes);
      };
      transmitShared(socket.tracked!, new SharedMessage('second'));
      const frames = await came(2);
      expect(frames.map(({ opcode }) => opcode)).toEqual([Opcode.text, Opcode.continuation]);
    });

    it('sends none after the close frame, where the admission has closed the socket', async () => {
      Object.assign(socket.connection, { admits: () => (socket.close(1000), true) });
      transmitShared(socket.tracked!, new SharedMessage('news'));
      await turn();
      expect((await came(1)).map(({ opcode }) => opcode)).toEqual([Opcode.close]);
    });
  });

  it.each<[string, () => Promise<unknown>]>([
    ['closing', async () => socket.close(1000)],
    ['closed', () => (socket.terminate(), closed())],
  ])(
    'fails a message that is sent while it is %s, as ws does, and does not count it as waiting',
    async (_what, end) => {
      await end();
      await turn();
      const before = socket.bufferedAmount;
      const sent: unknown[] = [];
      const note = (error: unknown) => sent.push(error);
      socket.send('a', note);
      socket.send('b', { binary: true }, note);
      socket.send('c');
      expect(sent).toEqual([]);
      await turn();
      // The error of `ws` itself, which would count it.
      Reflect.apply(WebSocket.prototype.send, socket, ['d', note]);
      await turn();
      expect(sent).toEqual([sent[2], sent[2], expect.any(Error)]);
      expect([before, socket.bufferedAmount, told.filter(what => typeof what === 'number')]).toEqual([0, 1, []]);
    },
  );

  it('calls the library’s listeners first, each with its event and socket', () => {
    const heard: unknown[] = [];
    const own = (event: string) =>
      function listener(this: unknown, ...given: unknown[]) {
        heard.push([event, this === socket, ...given]);
      };
    const names = ['message', 'ping', 'pong', 'error', 'close'] as const;
    socket.ownListeners = Object.fromEntries(names.map(name => [name, own(name)])) as unknown as SocketListeners;
    socket.on('message', data => heard.push(['the app', data]));
    socket.emit('message', 'a', false);
    socket.emit('pong', 'b');
    expect(heard).toEqual([
      ['message', true, 'a', false],
      ['the app', 'a'],
      ['pong', true, 'b'],
    ]);
  });

  it('throws no error that only the library’s listener handles, and passes it to a listener of the app', () => {
    socket.removeAllListeners('error');
    const heard: string[] = [];
    socket.ownListeners = { error: ({ message }: Error) => heard.push(message) } as unknown as SocketListeners;
    expect(socket.emit('error', new Error('first'))).toBe(true);
    socket.on('error', ({ message }) => heard.push(`the app: ${message}`));
    socket.emit('error', new Error('second'));
    expect(heard).toEqual(['first', 'second', 'the app: second']);
  });

  it.each(['message', 'ping', 'pong', 'error', 'close'])(
    'reports each listener of "%s" that fails, and calls the others',
    async event => {
      const failures: unknown[] = [];
      socket.ownListeners = {
        [event]: () => undefined,
        [LISTENER_FAILED]: (name: string, error: unknown) => failures.push([name, error]),
      } as unknown as SocketListeners;
      const heard: string[] = [];
      socket.removeAllListeners(event);
      socket.once(event, () => {
        throw 'thrown once';
      });
      socket.on(event, (() => Promise.reject(new Error('rejected'))) as () => void);
      socket.on(event, () => heard.push(event));
      expect([socket.emit(event, new Error('given')), socket.emit(event, new Error('given'))]).toEqual([true, true]);
      await turn();
      expect(heard).toEqual([event, event]);
      expect(failures).toEqual([
        [event, 'thrown once'],
        [event, new Error('rejected')],
        [event, new Error('rejected')],
      ]);
      socket.removeAllListeners(event);
    },
  );

  it('keeps a refused message from the listeners of the app', () => {
    let isAdmitted = true;
    socket.ownListeners = { message: () => isAdmitted } as unknown as SocketListeners;
    const heard: unknown[] = [];
    socket.on('message', data => heard.push(data));
    socket.emit('message', 'one');
    isAdmitted = false;
    expect(socket.emit('message', 'two')).toBe(true);
    expect(heard).toEqual(['one']);
  });

  it('works like any socket before it has a connection, and after', async () => {
    socket.forget();
    await new Promise(resolve => socket.send('a', resolve));
    socket.close(1000);
    socket.terminate();
    expect([told, await closed()]).toEqual([[], 1006]);
  });

  it.each<[string, () => void, unknown]>([
    ['a code and a text', () => socket.close(4321, 'bye'), { code: 4321, reason: 'bye', by: 'server' }],
    ['a text as bytes', () => socket.close(4321, Buffer.from('bye')), { code: 4321, reason: 'bye', by: 'server' }],
    ['nothing', () => socket.close(), { code: 1005, reason: '', by: 'server' }],
  ])('records the initiator of a close with %s', (_what, close, closing) => {
    close();
    expect(told).toEqual([closing]);
  });

  it('records a destruction by the app', () => {
    socket.terminate();
    expect(told).toEqual([{ code: 1006, reason: 'terminated', by: 'server' }]);
  });

  it.each([
    ['with a code', closePayload(4000, 'mine'), 4000],
    ['without one', Buffer.alloc(0), 1005],
  ])('records a close of the peer %s as the peer’s', async (_what, payload, code) => {
    const ended = closed();
    client.write(encodeFrame({ opcode: Opcode.close, payload }));
    client.end();
    expect([await ended, told]).toEqual([code, [expect.objectContaining({ code, by: 'client' })]]);
  });

  it.each<[string, Buffer, number]>([
    ['a frame without a mask', encodeFrame({ opcode: Opcode.text, payload: 'a', mask: false }), 1002],
    ['text that is no UTF-8', encodeFrame({ opcode: Opcode.text, payload: Buffer.from([0xff]) }), 1007],
    ['a message that is too big', encodeFrame({ opcode: Opcode.binary, payload: Buffer.alloc(101) }), 1009],
    [
      'too many fragments',
      Buffer.concat([
        encodeFrame({ opcode: Opcode.text, payload: 'a', fin: false }),
        ...Array.from({ length: 5 }, () => encodeFrame({ opcode: Opcode.continuation, payload: 'a', fin: false })),
      ]),
      1008,
    ],
  ])('records the close that answers %s', async (_what, bytes, code) => {
    const failed = new Promise(resolve => socket.once('error', resolve));
    client.write(bytes);
    await failed;
    expect(told).toEqual([expect.objectContaining({ code, by: 'server' })]);
  });

  it.each([
    ['a text that is too long', 1000, 'x'.repeat(124), 'must not be greater than 123 bytes'],
    ['a code that cannot be sent', 1006, '', 'must be a valid error code'],
  ])('records no close where ws refuses to close with %s', (_what, code, reason, refusal) => {
    expect(() => socket.close(code, reason)).toThrow(refusal);
    expect([socket.readyState, told]).toEqual([TrackedSocket.OPEN, []]);
  });

  it('reads on only when neither the app nor the library holds it back, in any order of calls', () => {
    const verbs = ['pause', 'resume', 'holdBack', 'letGo'] as const;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...verbs)), said => {
        socket.letGo();
        socket.resume();
        let [byApp, byUs] = [false, false];
        for (const verb of said) {
          socket[verb]();
          if (verb === 'pause' || verb === 'resume') byApp = verb === 'pause';
          else byUs = verb === 'holdBack';
          expect(socket.isPaused).toBe(byApp || byUs);
        }
      }),
    );
  });

  it.each([
    [false, false, false],
    [true, false, true],
    [false, true, true],
  ])('with the socket paused: %s and the network paused: %s is halted: %s', (ofSocket, ofNetwork, isHalted) => {
    if (ofSocket) socket.pause();
    if (ofNetwork) network.pause();
    expect(socket.isHalted).toBe(isHalted);
    socket.resume();
  });

  it('is a transport whose clients understand all close codes, and whose messages are dispatched', () => {
    expect(socket.kind).toEqual({ name: 'ws', closeCodes: 'all', isDispatched: true });
  });
});
