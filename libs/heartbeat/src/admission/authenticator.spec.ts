import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';

import type { Authenticate } from '../options/guard.options.js';
import { authenticate } from './authenticator.js';

const TIMEOUT = 10_000;
const REQUEST = { url: '/ws' } as IncomingMessage;

/** Calls `authenticate`, and records the request and the signal that the app received. */
function begin(ask: Authenticate = () => new Promise(() => undefined)) {
  const socket = new PassThrough();
  const onGone = (listener: () => void) => {
    socket.once('close', listener);
    return () => socket.off('close', listener);
  };
  const seen: { request?: IncomingMessage; signal?: AbortSignal } = {};
  const answer = authenticate(
    (request, signal) => {
      Object.assign(seen, { request, signal });
      return ask(request, signal);
    },
    { request: REQUEST, onGone },
    TIMEOUT,
  );
  return { socket, seen, answer };
}

describe('authenticate', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it.each([
    ['an identity', { userId: 'ann' }],
    ['an identity with all it may have', { userId: 'ann', labels: { plan: 'free' }, expiresAt: 5 }],
    ['anonymous', 'anonymous' as const],
    ['deferred', 'deferred' as const],
    ['null', null],
  ])('returns %s, given at once or later', async (_what, answer) => {
    expect(await begin(() => answer).answer).toEqual({ outcome: 'answered', answer });
    expect(await begin(async () => answer).answer).toEqual({ outcome: 'answered', answer });
  });

  it('passes the app the request and a signal, which an answer does not abort', async () => {
    const { answer, seen } = begin(() => null);
    await answer;
    expect(seen.request).toBe(REQUEST);
    expect(seen.signal?.aborted).toBe(false);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['true', true],
    ['false', false],
    ['a text', 'ann'],
    ['an empty text', ''],
    ['a number', 7],
    ['a list', ['ann']],
    ['an object without a user', {}],
    ['a user that is no text', { userId: 7 }],
    ['an empty user', { userId: '' }],
    ['a user that is null', { userId: null }],
    ['a function', () => ({ userId: 'ann' })],
    ['an identity that ends at no time', { userId: 'ann', expiresAt: Number.NaN }],
    ['an identity that ends at no date', { userId: 'ann', expiresAt: new Date('soon') }],
    ['an identity that ends at a text', { userId: 'ann', expiresAt: '2030-01-01' }],
  ])('treats %s as an error, which admits no client', async (_what, answer) => {
    const ended = await begin(() => answer as null).answer;
    expect(ended).toEqual({ outcome: 'failed', error: expect.any(TypeError) });
  });

  it.each<[string, Authenticate]>([
    [
      'throws',
      () => {
        throw new Error('no database');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no database'))],
  ])('returns the error that the app %s', async (_what, ask) => {
    expect(await begin(ask).answer).toEqual({ outcome: 'failed', error: new Error('no database') });
  });

  it('times out when a promise never settles, and aborts the signal', async () => {
    const { answer, seen } = begin();
    await jest.advanceTimersByTimeAsync(TIMEOUT - 1);
    expect(seen.signal?.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(seen.signal?.aborted).toBe(true);
    expect(await answer).toEqual({ outcome: 'timeout' });
  });

  it.each<[string, (socket: PassThrough) => void]>([
    ['has disconnected', socket => socket.emit('close')],
    ['was destroyed', socket => socket.destroy()],
  ])('stops when the client %s, and aborts the signal', async (_what, go) => {
    const { answer, seen, socket } = begin();
    go(socket);
    expect(await answer).toEqual({ outcome: 'gone' });
    expect(seen.signal?.aborted).toBe(true);
  });

  it('reports the disconnect also when the app then rejects because of the signal', async () => {
    const { answer, socket } = begin(
      (_request, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    socket.emit('close');
    expect(await answer).toEqual({ outcome: 'gone' });
  });

  it('ignores a late result, also a rejection', async () => {
    const rejections: ((error: Error) => void)[] = [];
    const { answer } = begin(() => new Promise((_resolve, reject) => void rejections.push(reject)));
    await jest.advanceTimersByTimeAsync(TIMEOUT);
    for (const reject of rejections) reject(new Error('too late'));
    expect(await answer).toEqual({ outcome: 'timeout' });
  });

  it.each<[string, Authenticate, (socket: PassThrough) => void]>([
    ['an answer', () => null, () => undefined],
    ['an error', () => Promise.reject(new Error('no')), () => undefined],
    ['the client’s disconnect', () => new Promise(() => undefined), socket => socket.emit('close')],
    ['the timeout', () => new Promise(() => undefined), () => jest.advanceTimersByTime(TIMEOUT)],
  ])('leaves no timer and no listener after %s', async (_what, ask, end) => {
    const { answer, socket } = begin(ask);
    const before = new PassThrough().listenerCount('close');
    end(socket);
    await answer;
    expect([jest.getTimerCount(), socket.listenerCount('close')]).toEqual([0, before]);
  });
});
