import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';

import type { Refusal } from '../admission/refusal.js';
import { recheckAfter, type VerifyClient } from './verify-client.js';

const TIMEOUT = 10_000;
const request = { url: '/ws' } as IncomingMessage;
const full: Refusal = { status: 503, reason: 'at-capacity', detail: 'Full.', retryAfterSeconds: 5 };
const ERROR = new Error('no database');

/** What `ws` is told in the end, and what was asked and noted on the way. */
function ask(verify: unknown, refusal: Refusal | null = null) {
  const [told, rechecked, failures]: [unknown[][], unknown[], unknown[][]] = [[], [], []];
  const guardedVerify = recheckAfter(
    verify as VerifyClient,
    TIMEOUT,
    asked => (rechecked.push(asked), refusal),
    (...failure) => failures.push(failure),
  );
  guardedVerify({ req: request }, (...answer) => told.push(answer));
  return { told, rechecked, failures, guardedVerify };
}

/** Lets all promises that can settle do so. */
const settled = () => jest.advanceTimersByTimeAsync(0);

describe('recheckAfter', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it.each<[string, unknown]>([
    ['answers by what it returns', () => true],
    ['takes only the request', ({ req }: { req: unknown }) => req === request],
    ['calls back', (_info: unknown, done: (isGood: boolean) => void) => done(true)],
  ])('makes of a hook that %s one that ws takes for one that calls back', (_what, verify) => {
    const { guardedVerify, told } = ask(verify);
    expect([guardedVerify.length, told]).toEqual([2, [[true]]]);
  });

  it.each<[string, unknown, boolean]>([
    ['true', () => true, true],
    ['false', () => false, false],
    ['nothing', () => undefined, false],
    ['a promise of true', async () => true, true],
    ['a promise of false', async () => false, false],
    ['a promise of nothing', async () => undefined, false],
  ])('takes for an answer what a hook of fewer than two parameters returns: %s', async (_what, verify, isGood) => {
    const { told, rechecked, failures } = ask(verify);
    await settled();
    expect([told, failures, jest.getTimerCount()]).toEqual([[[isGood]], [], 0]);
    expect(rechecked).toEqual(isGood ? [request] : []);
  });

  it('waits for the call of a hook with two parameters, whatever it returns', async () => {
    const waiting: ((isGood: boolean) => void)[] = [];
    const { told } = ask((_info: unknown, done: (isGood: boolean) => void) => (waiting.push(done), true));
    await settled();
    expect(told).toEqual([]);
    for (const done of waiting) done(true);
    expect(told).toEqual([[true]]);
  });

  it('looks at the limits once more when the gateway lets somebody in', () => {
    const { told, rechecked } = ask((_info: unknown, done: (isGood: boolean) => void) => done(true));
    expect([told, rechecked, jest.getTimerCount()]).toEqual([[[true]], [request], 0]);
  });

  it('hands the gateway’s own refusal on, and looks at nothing', () => {
    const answer = [false, 402, 'pay first', { 'X-Price': '1' }] as const;
    const { told, rechecked } = ask((_info: unknown, done: (...args: unknown[]) => void) => done(...answer), full);
    expect([told, rechecked, jest.getTimerCount()]).toEqual([[[...answer]], [], 0]);
  });

  it.each<[string, unknown]>([
    ['calls back', (_info: unknown, done: (isGood: boolean) => void) => done(true)],
    ['returns', () => true],
    ['promises', async () => true],
  ])('refuses with the problem whom the limits do not let in any more, where the hook %s', async (_what, verify) => {
    const { told } = ask(verify, full);
    await settled();
    expect(told).toEqual([
      [false, 503, expect.any(String), { 'Content-Type': 'application/problem+json', 'Retry-After': '5' }],
    ]);
    expect(JSON.parse(told[0]![2] as string)).toMatchObject({
      type: expect.stringMatching(/:at-capacity$/),
      status: 503,
      detail: 'Full.',
    });
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
      'throws in the place of returning',
      () => {
        throw ERROR;
      },
    ],
    ['rejects in the place of returning', async () => Promise.reject(ERROR)],
  ])('refuses this client with 500, and tells why once, where the hook %s', async (_what, verify) => {
    const { told, failures, rechecked } = ask(verify);
    await settled();
    expect([told, failures, rechecked]).toEqual([[[false, 500]], [['verifyClient', ERROR]], []]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it.each<[string, unknown]>([
    ['calls nobody', (_info: unknown, _done: unknown) => undefined],
    ['calls nobody, though its promise is kept', async (_info: unknown, _done: unknown) => true],
    ['never keeps its promise', () => new Promise(() => undefined)],
  ])('refuses with 503 after the time where the hook %s', async (_what, verify) => {
    const { told } = ask(verify);
    await jest.advanceTimersByTimeAsync(TIMEOUT - 1);
    expect([told, jest.getTimerCount()]).toEqual([[], 1]);
    await jest.advanceTimersByTimeAsync(1);
    expect([told, jest.getTimerCount()]).toEqual([[[false, 503]], 0]);
  });

  it.each<[string, (done: (...answer: unknown[]) => void) => unknown, unknown[]]>([
    ['calls twice', done => (done(false, 402), done(true)), [false, 402]],
    [
      'throws after its call',
      done => {
        done(true);
        throw ERROR;
      },
      [true],
    ],
    ['rejects after its call', async done => (done(true), Promise.reject(ERROR)), [true]],
    ['calls after the time', done => void setTimeout(done, TIMEOUT + 1, true), [false, 503]],
    [
      'rejects after the time',
      () => new Promise((_resolve, reject) => void setTimeout(reject, TIMEOUT + 1, ERROR)),
      [false, 503],
    ],
  ])('answers once only, where the hook %s', async (_what, verify, answer) => {
    const { told } = ask((_info: unknown, done: (...args: unknown[]) => void) => verify(done));
    await jest.advanceTimersByTimeAsync(2 * TIMEOUT);
    expect([told, jest.getTimerCount()]).toEqual([[answer], 0]);
  });
});
