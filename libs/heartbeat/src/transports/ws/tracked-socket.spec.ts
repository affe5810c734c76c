import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import * as fc from 'fast-check';
import { WebSocket } from 'ws';

import { closePayload, encodeFrame, Opcode } from '../../../../../apps/loadtest/src/frames.js';
import { KIND, LISTENER_FAILED, type SocketListeners } from './socket-listeners.js';
import { TrackedSocket } from './tracked-socket.js';
import { KINDS } from './transport-kinds.js';
import { SocketPair, turn } from '../../../../../test/support/servers/socket-pair.js';

describe('TrackedSocket', () => {
  const pair = new SocketPair();

  beforeEach(() => pair.open());

  afterEach(() => pair.socket.terminate());

  const closed = () => new Promise<number>(resolve => pair.socket.once('close', resolve));

  it('counts sent messages of any caller', () => {
    pair.socket.send('a');
    pair.socket.send('b', () => undefined);
    pair.socket.send(Buffer.from('c'), { binary: true }, () => undefined);
    expect(pair.calls).toEqual([1, 1, 1]);
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
    pair.socket.send(data as string);
    expect(pair.calls).toEqual([bytes]);
  });

  it('sends nothing after the close frame, where the admission of a message has closed the socket, and reports it to the caller', async () => {
    Object.assign(pair.socket.connection, { admits: () => (pair.socket.close(1000), true) });
    const error = await new Promise<unknown>(resolve => pair.socket.send('a', resolve));
    await turn();
    expect([String(error), pair.socket.bufferedAmount]).toEqual([expect.stringContaining('is not open'), 0]);
  });

  it('treats null options as none, as ws does', () => {
    pair.socket.send('a', null as unknown as undefined, () => undefined);
    expect(pair.calls).toEqual([1]);
  });

  it('sends no message that must not be queued, and reports it to the caller', async () => {
    pair.mayQueue = false;
    await turn();
    pair.received = [];
    const error = await new Promise<unknown>(resolve => pair.socket.send('a', { binary: false }, resolve));
    expect(error).toMatchObject({ code: 'HEARTBEAT_MESSAGE_DROPPED' });
    expect(() => pair.socket.send('b')).not.toThrow();
    await turn();
    expect([pair.calls, pair.received]).toEqual([[1, 1], []]);
    pair.mayQueue = true;
    pair.socket.send('c');
    await turn();
    expect(Buffer.concat(pair.received)).toEqual(encodeFrame({ opcode: Opcode.text, payload: 'c', mask: false }));
  });

  /** The bytes after the response to the upgrade. */

  it.each<[string, () => Promise<unknown>]>([
    ['closing', async () => pair.socket.close(1000)],
    ['closed', () => (pair.socket.terminate(), closed())],
  ])(
    'fails a message that is sent while it is %s, as ws does, and does not count it as waiting',
    async (_what, end) => {
      await end();
      await turn();
      const before = pair.socket.bufferedAmount;
      const sent: unknown[] = [];
      const note = (error: unknown) => sent.push(error);
      pair.socket.send('a', note);
      pair.socket.send('b', { binary: true }, note);
      pair.socket.send('c');
      expect(sent).toEqual([]);
      await turn();
      // The error of `ws` itself, which would count it.
      Reflect.apply(WebSocket.prototype.send, pair.socket, ['d', note]);
      await turn();
      expect(sent).toEqual([sent[2], sent[2], expect.any(Error)]);
      expect([before, pair.socket.bufferedAmount, pair.calls.filter(what => typeof what === 'number')]).toEqual([
        0,
        1,
        [],
      ]);
    },
  );

  it('calls the library’s listeners first, each with its event and socket', () => {
    const heard: unknown[] = [];
    const own = (event: string) =>
      function listener(this: unknown, ...given: unknown[]) {
        heard.push([event, this === pair.socket, ...given]);
      };
    const names = ['message', 'ping', 'pong', 'error', 'close'] as const;
    pair.socket.ownListeners = Object.fromEntries(names.map(name => [name, own(name)])) as unknown as SocketListeners;
    pair.socket.on('message', data => heard.push(['the app', data]));
    pair.socket.emit('message', 'a', false);
    pair.socket.emit('pong', 'b');
    expect(heard).toEqual([
      ['message', true, 'a', false],
      ['the app', 'a'],
      ['pong', true, 'b'],
    ]);
  });

  it('throws no error that only the library’s listener handles, and passes it to a listener of the app', () => {
    pair.socket.removeAllListeners('error');
    const heard: string[] = [];
    pair.socket.ownListeners = { error: ({ message }: Error) => heard.push(message) } as unknown as SocketListeners;
    expect(pair.socket.emit('error', new Error('first'))).toBe(true);
    pair.socket.on('error', ({ message }) => heard.push(`the app: ${message}`));
    pair.socket.emit('error', new Error('second'));
    expect(heard).toEqual(['first', 'second', 'the app: second']);
  });

  it.each(['message', 'ping', 'pong', 'error', 'close'])(
    'reports each listener of "%s" that fails, and calls the others',
    async event => {
      const failures: unknown[] = [];
      pair.socket.ownListeners = {
        [event]: () => undefined,
        [LISTENER_FAILED]: (name: string, error: unknown) => failures.push([name, error]),
      } as unknown as SocketListeners;
      const heard: string[] = [];
      pair.socket.removeAllListeners(event);
      pair.socket.once(event, () => {
        throw 'thrown once';
      });
      pair.socket.on(event, (() => Promise.reject(new Error('rejected'))) as () => void);
      pair.socket.on(event, () => heard.push(event));
      expect([pair.socket.emit(event, new Error('given')), pair.socket.emit(event, new Error('given'))]).toEqual([
        true,
        true,
      ]);
      await turn();
      expect(heard).toEqual([event, event]);
      expect(failures).toEqual([
        [event, 'thrown once'],
        [event, new Error('rejected')],
        [event, new Error('rejected')],
      ]);
      pair.socket.removeAllListeners(event);
    },
  );

  it('keeps a refused message from the listeners of the app', () => {
    let isAdmitted = true;
    pair.socket.ownListeners = { message: () => isAdmitted } as unknown as SocketListeners;
    const heard: unknown[] = [];
    pair.socket.on('message', data => heard.push(data));
    pair.socket.emit('message', 'one');
    isAdmitted = false;
    expect(pair.socket.emit('message', 'two')).toBe(true);
    expect(heard).toEqual(['one']);
  });

  it('works like any socket before it has a connection, and after', async () => {
    pair.socket.forget();
    await new Promise(resolve => pair.socket.send('a', resolve));
    pair.socket.close(1000);
    pair.socket.terminate();
    expect([pair.calls, await closed()]).toEqual([[], 1006]);
  });

  it.each<[string, () => void, unknown]>([
    ['a code and a text', () => pair.socket.close(4321, 'bye'), { code: 4321, reason: 'bye', by: 'server' }],
    ['a text as bytes', () => pair.socket.close(4321, Buffer.from('bye')), { code: 4321, reason: 'bye', by: 'server' }],
    ['nothing', () => pair.socket.close(), { code: 1005, reason: '', by: 'server' }],
  ])('records the initiator of a close with %s', (_what, close, closing) => {
    close();
    expect(pair.calls).toEqual([closing]);
  });

  it('records a destruction by the app', () => {
    pair.socket.terminate();
    expect(pair.calls).toEqual([{ code: 1006, reason: 'terminated', by: 'server' }]);
  });

  it.each([
    ['with a code', closePayload(4000, 'mine'), 4000],
    ['without one', Buffer.alloc(0), 1005],
  ])('records a close of the peer %s as the peer’s', async (_what, payload, code) => {
    const ended = closed();
    pair.client.write(encodeFrame({ opcode: Opcode.close, payload }));
    pair.client.end();
    expect([await ended, pair.calls]).toEqual([code, [expect.objectContaining({ code, by: 'client' })]]);
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
    const failed = new Promise(resolve => pair.socket.once('error', resolve));
    pair.client.write(bytes);
    await failed;
    expect(pair.calls).toEqual([expect.objectContaining({ code, by: 'server' })]);
  });

  it.each([
    ['a text that is too long', 1000, 'x'.repeat(124), 'must not be greater than 123 bytes'],
    ['a code that cannot be sent', 1006, '', 'must be a valid error code'],
  ])('records no close where ws refuses to close with %s', (_what, code, reason, refusal) => {
    expect(() => pair.socket.close(code, reason)).toThrow(refusal);
    expect([pair.socket.readyState, pair.calls]).toEqual([TrackedSocket.OPEN, []]);
  });

  it('reads on only when neither the app nor the library holds it back, in any order of calls', () => {
    const verbs = ['pause', 'resume', 'holdBack', 'letGo'] as const;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...verbs)), said => {
        pair.socket.letGo();
        pair.socket.resume();
        let [byApp, byUs] = [false, false];
        for (const verb of said) {
          pair.socket[verb]();
          if (verb === 'pause' || verb === 'resume') byApp = verb === 'pause';
          else byUs = verb === 'holdBack';
          expect(pair.socket.isPaused).toBe(byApp || byUs);
        }
      }),
    );
  });

  it.each([
    [false, false, false],
    [true, false, true],
    [false, true, true],
  ])('with the socket paused: %s and the network paused: %s is halted: %s', (ofSocket, ofNetwork, isHalted) => {
    if (ofSocket) pair.socket.pause();
    if (ofNetwork) pair.network.pause();
    expect(pair.socket.isHalted).toBe(isHalted);
    pair.socket.resume();
  });

  it('is a transport of the kind of its server, whose clients understand all close codes by default', () => {
    expect(pair.socket.kind).toBe(KINDS.ws);
    pair.socket.ownListeners = { [KIND]: KINDS['graphql-ws'] } as unknown as SocketListeners;
    expect(pair.socket.kind).toBe(KINDS['graphql-ws']);
  });
});
