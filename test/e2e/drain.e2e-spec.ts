// Measures: the pace of closes.
/** The drain of the built server in its own process, with its clients here. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpAnswer } from '../support/clients/http-answer.js';
import { RawClient } from '../support/clients/raw-client.js';
import { ReadinessWatch } from '../support/clients/readiness-watch.js';
import { type Exit, ServerProcess } from '../support/servers/server-process.js';
import { Stalls } from '../support/faults/stalls.js';
import { distanceFromEven, quantile } from '../support/assert/statistics.js';
import { openNotified, NotifiedClient } from '../support/clients/notified-client.js';
import { until } from '../support/assert/until.js';

/** The tolerance of a busy machine; bounds of docs/guarantees.md are never widened by more than was measured. */
const HICCUP_MS = 300;

const cleanups: (() => unknown)[] = [];
async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  await ServerProcess.stopAll();
}

function drainOf(plan: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(plan).map(([name, value]) => [`DRAIN_${name}`, `${value}`]));
}

async function openClients(count: number, server: ServerProcess): Promise<NotifiedClient[]> {
  const clients = await openNotified(count, { port: server.port });
  cleanups.push(() => clients.forEach(client => client.destroy()));
  return clients;
}

/** A refusal as docs/protocol.md has it: 503, `Retry-After` in whole seconds, problem+json whose type ends in `draining`. */
const DRAINING = {
  status: 503,
  headers: expect.objectContaining({
    'retry-after': expect.stringMatching(/^[1-9]\d*$/),
    'content-type': 'application/problem+json',
  }),
  body: expect.stringMatching(/"type":"[^"]*\bdraining"/),
};

/** A client in the middle of its upgrade request. */
async function halfSent(server: ServerProcess) {
  const client = new RawClient({ port: server.port });
  cleanups.push(() => client.destroy());
  await client.connect();
  const request = client.handshake();
  const half = Math.floor(request.length / 2);
  client.sendRaw(request.slice(0, half));
  return {
    /** Sends the other half so long after now and waits for what comes of it. */
    async sendRest(afterMs: number) {
      await sleep(afterMs);
      if (!client.socket.destroyed) client.sendRaw(request.slice(half));
      const answer = await client.answer.catch(() => null);
      await client.ended;
      return { answer, client };
    },
  };
}

/** The time from the close frame of each to its end. */
async function lingered(clients: readonly NotifiedClient[]): Promise<number[]> {
  return Promise.all(clients.map(async ({ ended, notifiedAt }) => (await ended).at - (notifiedAt ?? 0)));
}

describe('a drain of 1000 clients, of which a third never answers a close frame', () => {
  const PLAN = { SPREAD_MS: 2000, CLOSE_TIMEOUT_MS: 300, DEADLINE_MS: 3500, RETURN_WINDOW_MS: 5000 };
  let clients: NotifiedClient[] = [];
  let answering: NotifiedClient[] = [];
  let stubborn: NotifiedClient[] = [];
  let signalledAt = 0;
  let readyBefore: number[] = [];
  let refusedReadiness = { afterMs: 0, body: '', stallMs: 0 };
  const lateAnswers: HttpAnswer[] = [];
  let underWay: { answer: HttpAnswer | null; client: RawClient }[] = [];
  let exit: Exit;
  let output = '';

  const sinceSignal = (moment: number | null): number => (moment ?? Number.NaN) - signalledAt;

  beforeAll(async () => {
    const server = await ServerProcess.start({ env: drainOf(PLAN) });
    clients = await openClients(1000, server);
    stubborn = clients.filter((_, i) => i % 3 === 0);
    answering = clients.filter((_, i) => i % 3 !== 0);
    for (const client of stubborn) client.silent();
    const halves = await Promise.all(Array.from({ length: 20 }, () => halfSent(server)));
    const readiness = new ReadinessWatch(server.url);
    await until(() => readiness.answers.length > 5);
    readyBefore = readiness.answers.map(({ status }) => status);
    const stalls = Stalls.watch();
    signalledAt = performance.now();
    server.signal('SIGTERM');
    // Half of them continue at the moment of the signal, the rest during the drain.
    const rests = halves.map((half, i) => half.sendRest(i < 10 ? i : (i - 10) * (PLAN.SPREAD_MS / 10)));
    const refusal = await until(() => readiness.firstRefusal(signalledAt), { timeoutMs: PLAN.SPREAD_MS });
    refusedReadiness = {
      afterMs: refusal.answeredAt - signalledAt,
      body: refusal.body,
      stallMs: stalls.longestMs,
    };
    stalls.stop();
    // No client is admitted from the first refusal to the last close.
    while (performance.now() < signalledAt + PLAN.SPREAD_MS - HICCUP_MS) {
      const late = new RawClient({ port: server.port });
      cleanups.push(() => late.destroy());
      const answer = await late.open().catch(() => null);
      // Without a response the server has ended, sooner than it should: the facts below fail then.
      if (answer === null) break;
      lateAnswers.push(answer);
      await sleep(50);
    }
    underWay = await Promise.all(rests);
    exit = await server.exited;
    await readiness.stop();
    await Promise.all(clients.map(({ ended }) => ended));
    output = server.output;
  });
  afterAll(cleanUp);

  it('is not ready within 100 ms of the signal, and has the reason', () => {
    expect(new Set(readyBefore)).toEqual(new Set([200]));
    expect(refusedReadiness.afterMs).toBeLessThan(100 + refusedReadiness.stallMs);
    expect(refusedReadiness.body).toContain('draining');
  });

  it('closes every client with 1001 and its own delay, in the reason and in milliseconds', () => {
    expect(clients.filter(({ closeFrame }) => closeFrame?.code !== 1001)).toHaveLength(0);
    const advice = clients.map(client => client.advice);
    expect(advice.filter(given => given === null)).toHaveLength(0);
    const delays = advice.map(given => given?.retryAfterMs ?? -1);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(PLAN.RETURN_WINDOW_MS);
    expect(new Set(delays).size).toBeGreaterThan(500);
    // The chance that 1000 random delays are farther than this from even is one in a million.
    expect(distanceFromEven(delays, 0, PLAN.RETURN_WINDOW_MS)).toBeLessThan(0.09);
  });

  it('spreads the closes over spreadMs', () => {
    const moments = clients.map(({ notifiedAt }) => sinceSignal(notifiedAt));
    expect(Math.min(...moments)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...moments)).toBeLessThan(PLAN.SPREAD_MS + HICCUP_MS);
    expect(distanceFromEven(moments, 0, PLAN.SPREAD_MS)).toBeLessThan(0.05 + HICCUP_MS / PLAN.SPREAD_MS);
  });

  it('closes clients in an order that they cannot choose', () => {
    // The clients that were opened first are spread over the drain as the rest are.
    const moments = clients.slice(0, 500).map(({ notifiedAt }) => sinceSignal(notifiedAt));
    expect(distanceFromEven(moments, 0, PLAN.SPREAD_MS)).toBeLessThan(0.12 + HICCUP_MS / PLAN.SPREAD_MS);
  });

  it('ends with an answered close at once, and destroys clients that do not answer after closeTimeoutMs', async () => {
    const answered = await lingered(answering);
    expect(quantile(answered, 0.5)).toBeLessThan(100);
    const destroyed = await lingered(stubborn);
    // A close frame that this process has read late seems to leave less.
    expect(quantile(destroyed, 0.1)).toBeGreaterThan(PLAN.CLOSE_TIMEOUT_MS - 50);
    expect(quantile(destroyed, 0.5)).toBeLessThan(PLAN.CLOSE_TIMEOUT_MS + 100);
    expect(Math.max(...destroyed)).toBeLessThan(PLAN.CLOSE_TIMEOUT_MS + 2 * HICCUP_MS);
  });

  it('answers every late upgrade with 503 and a delay', () => {
    expect(lateAnswers.length).toBeGreaterThan(10);
    expect(lateAnswers).toEqual(lateAnswers.map(() => DRAINING));
  });

  it('refuses upgrades under way, or closes them with 1001', () => {
    const letIn = underWay.filter(({ answer }) => answer?.status === 101);
    const refused = underWay.flatMap(({ answer }) => (answer === null || answer.status === 101 ? [] : [answer]));
    expect(letIn.map(({ client }) => client.closeFrame?.code)).toEqual(letIn.map(() => 1001));
    expect(refused).toEqual(refused.map(() => DRAINING));
    // The rest completed their request after the end of the server.
    expect(letIn.length + refused.length).toBeGreaterThan(15);
  });

  it('ends with 0 as soon as no connection is left, and logs the result', () => {
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.ms).toBeLessThan(PLAN.SPREAD_MS + PLAN.CLOSE_TIMEOUT_MS + 2 * HICCUP_MS);
    // Upgrades in progress when admission closed are counted too.
    expect(output).toMatch(/drain ended after \d+ ms: 10[01]\d connections were closed/);
    expect(output).not.toContain('terminated at the deadline');
  });
});

describe('a drain', () => {
  afterEach(cleanUp);

  it('still admits clients during readinessDelayMs and refuses them after it', async () => {
    const delayMs = 800;
    const plan = { READINESS_DELAY_MS: delayMs, SPREAD_MS: 1500, CLOSE_TIMEOUT_MS: 300, DEADLINE_MS: 3200 };
    const server = await ServerProcess.start({ env: drainOf(plan) });
    const [first] = await openClients(1, server);
    const readiness = new ReadinessWatch(server.url);
    cleanups.push(() => readiness.stop());
    const stalls = Stalls.watch();
    const signalledAt = performance.now();
    server.signal('SIGTERM');
    const newcomers: { client: NotifiedClient; sentAt: number; answeredAt: number; answer: HttpAnswer | null }[] = [];
    const isLate = ({ sentAt }: { readonly sentAt: number }): boolean => sentAt > delayMs + HICCUP_MS;
    const lateRefusals = (): unknown[] => newcomers.filter(one => isLate(one) && one.answer !== null);
    // A busy machine has time for fewer clients, so they come until the drain has refused some or has ended.
    const lastAt = signalledAt + delayMs + plan.SPREAD_MS;
    while (
      performance.now() < signalledAt + delayMs + 600 ||
      (performance.now() < lastAt && lateRefusals().length < 3)
    ) {
      const client = new NotifiedClient({ port: server.port });
      cleanups.push(() => client.destroy());
      const sentAt = performance.now() - signalledAt;
      const answer = await client.open().catch(() => null);
      newcomers.push({ client, sentAt, answeredAt: performance.now() - signalledAt, answer });
      if (answer?.status === 101) client.sendEvent('echo', sentAt);
      await sleep(20);
    }
    expect(await server.exited).toMatchObject({ code: 0 });
    expect((readiness.firstRefusal(signalledAt)?.answeredAt ?? Infinity) - signalledAt).toBeLessThan(
      100 + stalls.longestMs,
    );
    stalls.stop();
    const early = newcomers.filter(({ answeredAt }) => answeredAt < delayMs - 10);
    const late = newcomers.filter(isLate);
    expect(early.length).toBeGreaterThan(2);
    for (const { client, answer, sentAt } of early) {
      expect(answer?.status).toBe(101);
      expect(client.json).toEqual([{ event: 'echo', data: sentAt }]);
      expect(client.advice).not.toBeNull();
      expect((client.notifiedAt ?? 0) - signalledAt).toBeGreaterThanOrEqual(delayMs);
    }
    const refusals = late.flatMap(({ answer }) => (answer === null ? [] : [answer]));
    expect(refusals).toEqual(refusals.map(() => DRAINING));
    expect(refusals.length).toBeGreaterThan(2);
    expect((first?.notifiedAt ?? 0) - signalledAt).toBeGreaterThanOrEqual(delayMs);
  });

  it('terminates the remaining connections at the deadline, counts them in a warning, and ends with 0', async () => {
    const deadlineMs = 900;
    const server = await ServerProcess.start({
      env: drainOf({ SPREAD_MS: 500, CLOSE_TIMEOUT_MS: 400, DEADLINE_MS: deadlineMs }),
    });
    const clients = await openClients(100, server);
    for (const client of clients) client.silent();
    const signalledAt = performance.now();
    server.signal('SIGTERM');
    await until(() => server.output.includes('drain begins'));
    // The process is stopped until the deadline has passed: no client has had its time.
    process.kill(server.pid, 'SIGSTOP');
    await until(() => performance.now() > signalledAt + deadlineMs + 50);
    process.kill(server.pid, 'SIGCONT');
    const exit = await server.exited;
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.ms).toBeLessThan(deadlineMs + 1000);
    await Promise.all(clients.map(({ ended }) => ended));
    expect(server.output).toMatch(/WARN.*100 connections were closed, 100 of them .*terminated at the deadline/);
  });

  it('sends a goodbye event before the close frame to clients of the application heartbeat, and to no other', async () => {
    const server = await ServerProcess.start({ env: drainOf({ SPREAD_MS: 200, RETURN_WINDOW_MS: 9000 }) });
    const [helper, other] = (await openClients(2, server)) as [NotifiedClient, NotifiedClient];
    helper.sendEvent('heartbeat', { sentAt: 7 });
    other.sendEvent('echo', 7);
    await until(() => helper.messages.length === 1 && other.messages.length === 1);
    server.signal('SIGTERM');
    await Promise.all([helper.ended, other.ended]);
    const { words, retryAfterMs } = helper.advice ?? {};
    expect(helper.json).toEqual([
      { event: 'heartbeat', data: expect.objectContaining({ sentAt: 7 }) },
      { event: 'goodbye', data: { code: 1001, reason: words, retryAfterMs } },
    ]);
    expect(retryAfterMs).toBeLessThanOrEqual(9000);
    expect(other.json).toEqual([{ event: 'echo', data: 7 }]);
    expect(other.advice).not.toBeNull();
  });

  it('sends the replies of handled messages before it closes, in order', async () => {
    const server = await ServerProcess.start({ env: drainOf({ SPREAD_MS: 1200, CLOSE_TIMEOUT_MS: 500 }) });
    const clients = await openClients(20, server);
    const stalls = Stalls.watch();
    const sentAt = clients.map(() => [] as number[]);
    const asking = setInterval(() => {
      clients.forEach((client, i) => {
        if (client.closeFrame !== null) return;
        client.sendEvent('echo', sentAt[i]?.push(performance.now()));
      });
    }, 5);
    cleanups.push(() => clearInterval(asking));
    await until(() => clients.every(({ messages }) => messages.length > 10));
    server.signal('SIGTERM');
    await Promise.all(clients.map(({ ended }) => ended));
    const stallMs = stalls.longestMs;
    stalls.stop();
    clients.forEach((client, i) => {
      expect(client.closeFrame?.code).toBe(1001);
      const answered = client.messages.length;
      expect(client.json).toEqual(Array.from({ length: answered }, (_, k) => ({ event: 'echo', data: k + 1 })));
      // Messages without a reply were in flight when the close frame was read.
      const firstLost = sentAt[i]?.[answered] ?? Infinity;
      expect((client.notifiedAt ?? 0) - firstLost).toBeLessThan(100 + HICCUP_MS + stallMs);
    });
    expect(await server.exited).toMatchObject({ code: 0 });
  });
});
