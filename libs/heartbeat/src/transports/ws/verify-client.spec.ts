import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import { askVerifyClient, type VerifyClient } from './verify-client.js';

const TIMEOUT = 10_000;
const request = { url: '/ws', headers: { origin: 'https://a.example' }, socket: {} } as unknown as IncomingMessage;
const ERROR = new Error('no database');
const no = (status: number, message?: string, headers?: object) => ({ status, message, headers });

/** The result of the hook, and the errors reported meanwhile. */
function ask(verify: unknown, asked = request) {
  const [told, failures]: [unknown[], unknown[][]] = [[], []];
  askVerifyClient(
    {
      verify: verify as VerifyClient,
      request: asked,
      timeoutMs: TIMEOUT,
      failed: (...failure) => failures.push(failure),
    },
    answer => told.push(answer),
  );
  return { told, failures };
}

/** Waits until all promises that can settle have settled. */
const settled = () => jest.advanceTimersByTimeAsync(0);

describe('askVerifyClient', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it.each<[string, unknown]>([
    ['returns its answer', () => true],
    ['takes only the request', ({ req }: { req: unknown }) => req === request],
    ['calls back', (_info: unknown, done: (isGood: boolean) => void) => done(true)],
  ])('has the answer at once of a hook that %s', (_what, verify) => {
    expect([ask(verify).told, jest.getTimerCount()]).toEqual([['good'], 0]);
  });

  it.each<[string, object, object, unknown]>([
    ['as ws does', { origin: 'https://a.example' }, {}, { origin: 'https://a.example', secure: false }],
    [
      'of an old version',
      { 'sec-websocket-version': '8', 'sec-websocket-origin': 'b', origin: 'a' },
      {},
      { origin: 'b' },
    ],
    ['of a connection with TLS', {}, { encrypted: true }, { origin: undefined, secure: true }],
  ])('passes the client to the hook, %s', (_what, headers, socket, info) => {
    const seen: unknown[] = [];
    const asked = { headers, socket } as unknown as IncomingMessage;
    ask((given: unknown) => (seen.push(given), true), asked);
    expect(seen).toEqual([expect.objectContaining({ ...(info as object), req: asked })]);
  });

  it.each<[string, unknown, boolean]>([
    ['true', () => true, true],
    ['false', () => false, false],
    ['nothing', () => undefined, false],
    ['a promise of true', async () => true, true],
    ['a promise of false', async () => false, false],
    ['a promise of nothing', async () => undefined, false],
  ])('takes the result of a hook of fewer than two parameters as its answer: %s', async (_what, verify, isGood) => {
    const { told, failures } = ask(verify);
    await settled();
    expect([told, failures, jest.getTimerCount()]).toEqual([[isGood ? 'good' : no(401)], [], 0]);
  });

  it('waits for the call of a hook with two parameters, regardless of its result', async () => {
    const waiting: ((isGood: boolean) => void)[] = [];
    const { told } = ask((_info: unknown, done: (isGood: boolean) => void) => (waiting.push(done), true));
    await settled();
    expect(told).toEqual([]);
    for (const done of waiting) done(true);
    expect(told).toEqual(['good']);
  });

  it.each<[string, unknown[], unknown]>([
    ['whole', [false, 402, 'pay first', { 'X-Price': '1' }], no(402, 'pay first', { 'X-Price': '1' })],
    ['without a status', [false], no(401)],
    ['with a status that is none', [false, 0], no(401)],
  ])('passes on the gateway’s own refusal, %s', (_what, answer, told) => {
    const asked = ask((_info: unknown, done: (...args: unknown[]) => void) => done(...answer));
    expect([asked.told, jest.getTimerCount()]).toEqual([[told], 0]);
  });

  it.each<[string, unknown]>([
    [
      'throws',
      (_info: unknown, _done: unknown) => {
        throw ERROR;
      },
    ],
    ['rejects', async (_info: unknown, _done: unknown) => Promise.reject(ERROR)],
    [
      'throws instead of returning',
      () => {
        throw ERROR;
      },
    ],
    ['rejects instead of returning', async () => Promise.reject(ERROR)],
  ])('refuses with 500, and reports the error once, where the hook %s', async (_what, verify) => {
    const { told, failures } = ask(verify);
    await settled();
    expect([told, failures]).toEqual([[no(500)], [['verifyClient', ERROR]]]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it.each<[string, unknown]>([
    ['never calls back', (_info: unknown, _done: unknown) => undefined],
    ['never calls back, though its promise resolves', async (_info: unknown, _done: unknown) => true],
    ['never settles its promise', () => new Promise(() => undefined)],
  ])('times out where the hook %s', async (_what, verify) => {
    const { told } = ask(verify);
    await jest.advanceTimersByTimeAsync(TIMEOUT - 1);
    expect([told, jest.getTimerCount()]).toEqual([[], 1]);
    await jest.advanceTimersByTimeAsync(1);
    expect([told, jest.getTimerCount()]).toEqual([['timeout'], 0]);
  });

  it.each<[string, (done: (...answer: unknown[]) => void) => unknown, unknown]>([
    ['calls twice', done => (done(false, 402), done(true)), no(402)],
    [
      'throws after its call',
      done => {
        done(true);
        throw ERROR;
      },
      'good',
    ],
    ['rejects after its call', async done => (done(true), Promise.reject(ERROR)), 'good'],
    ['calls after the time', done => void setTimeout(done, TIMEOUT + 1, true), 'timeout'],
    [
      'rejects after the time',
      () => new Promise((_resolve, reject) => void setTimeout(reject, TIMEOUT + 1, ERROR)),
      'timeout',
    ],
  ])('answers only once, where the hook %s', async (_what, verify, answer) => {
    const { told } = ask((_info: unknown, done: (...args: unknown[]) => void) => verify(done));
    await jest.advanceTimersByTimeAsync(2 * TIMEOUT);
    expect([told, jest.getTimerCount()]).toEqual([[answer], 0]);
  });
});
