import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { NodeState } from '../node/node-state.js';
import { resolveOptions } from '../options/resolve-options.js';
import type { DrainService } from './drain.service.js';

Logger.overrideLogger(false);

/** Stands for the thread that ends a process with a blocked event loop. */
class FakeWorker {
  static readonly all: FakeWorker[] = [];
  static refusal: Error | null = null;
  readonly heard: string[] = [];
  isRef = true;
  isTerminated = false;

  constructor(
    readonly code: string,
    readonly options: { eval: boolean; workerData: number },
  ) {
    if (FakeWorker.refusal !== null) throw FakeWorker.refusal;
    FakeWorker.all.push(this);
  }

  on(event: string): void {
    this.heard.push(event);
  }

  unref(): void {
    this.isRef = false;
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

jest.unstable_mockModule('node:worker_threads', () => ({ Worker: FakeWorker }));
const { ShutdownSignals } = await import('./shutdown-signals.js');

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
type Signal = (typeof SIGNALS)[number];

/** The longest deadline that the options accept. */
const LONGEST = [2 ** 31 - 1, 2 ** 31 - 1001, 2_000_000_000].find(takes)!;

function takes(deadlineMs: number): boolean {
  try {
    return resolveOptions({ drain: { deadlineMs } }).drain.deadlineMs === deadlineMs;
  } catch {
    return false;
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve));
const counts = () => SIGNALS.map(signal => process.listenerCount(signal));
/** Other listeners, as Nest's hooks register them. */
const nest = () => undefined;

describe('ShutdownSignals', () => {
  let time: number;
  /** The recorded calls, in order. */
  let done: string[];
  let signals: InstanceType<typeof ShutdownSignals>;
  let others: Record<Signal, NodeJS.SignalsListener[]>;

  function start(deadlineMs = 25_000): void {
    const clock = { now: () => time, wallTime: (moment: number) => new Date(moment) };
    const options = { drain: { deadlineMs, spreadMs: 0, closeTimeoutMs: 1 } };
    const drain = {
      takeOver: async (reason: string) => void done.push(`drain: ${reason}`),
      terminateAll: () => done.push('terminate all'),
    };
    signals = new ShutdownSignals(new NodeState(resolveOptions(options), clock), drain as unknown as DrainService);
    signals.onApplicationBootstrap();
  }

  /** Delivers a signal: its listeners are called, as Node calls them. */
  function receive(signal: Signal): void {
    for (const listener of process.listeners(signal)) listener(signal);
  }

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    time = 1000;
    done = [];
    FakeWorker.all.length = 0;
    FakeWorker.refusal = null;
    jest.spyOn(process, 'exit').mockImplementation(status => done.push(`exit ${status}`) as never);
    jest.spyOn(process, 'kill').mockImplementation((_id, signal) => (done.push(`kill ${signal}`), true));
    // A process has one first signal, and its outputs one listener for it. Here each test has its own.
    jest.spyOn(process.stdout, 'on').mockReturnThis();
    jest.spyOn(process.stderr, 'on').mockReturnThis();
    others = { SIGTERM: process.listeners('SIGTERM'), SIGINT: process.listeners('SIGINT') };
    for (const signal of SIGNALS) process.removeAllListeners(signal).on(signal, nest);
  });

  afterEach(() => {
    for (const signal of SIGNALS) {
      process.removeAllListeners(signal);
      for (const listener of others[signal]) process.on(signal, listener);
    }
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  it('registers one listener for each of its signals, from the bootstrap to the last hook', () => {
    start();
    expect(counts()).toEqual([2, 2]);
    signals.onApplicationShutdown();
    expect(counts()).toEqual([1, 1]);
  });

  it('sets no timer without a signal', () => {
    start();
    signals.onApplicationShutdown();
    expect([jest.getTimerCount(), FakeWorker.all]).toEqual([0, []]);
  });

  it.each(SIGNALS)('starts the drain in the same turn as a %s, and leaves the end to Nest', async signal => {
    start();
    receive(signal);
    expect(done).toEqual([`drain: ${signal}`]);
    await turn();
    expect(done).toEqual([`drain: ${signal}`]);
  });

  it('raises the signal again after the drain where no other listener would end the process', async () => {
    for (const signal of SIGNALS) process.off(signal, nest);
    start();
    receive('SIGTERM');
    await turn();
    expect([done, counts()]).toEqual([
      ['drain: SIGTERM', 'kill SIGTERM'],
      [0, 0],
    ]);
  });

  it.each([
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
    ['SIGINT', 'SIGINT', 130],
  ] as const)('ends the process at once with a second signal: after %s, %s ends with %d', (first, second, status) => {
    start();
    receive(first);
    time += 1000;
    receive(second);
    expect(done).toEqual([`drain: ${first}`, 'terminate all', `exit ${status}`]);
  });

  it.each([0, 1, 20, 51, 120, 499])('counts the same signal %d ms after the first as one', afterMs => {
    start();
    receive('SIGINT');
    time += afterMs;
    receive('SIGINT');
    expect(done).toEqual(['drain: SIGINT']);
    time = 1000 + 500;
    receive('SIGINT');
    expect(done).toEqual(['drain: SIGINT', 'terminate all', 'exit 130']);
  });

  it('counts from the first signal, so that repeated signals do not postpone the end', () => {
    start();
    receive('SIGINT');
    for (const moment of [1200, 1400, 1499]) {
      time = moment;
      receive('SIGINT');
    }
    expect(done).toEqual(['drain: SIGINT']);
    time = 1500;
    receive('SIGINT');
    expect(done).toEqual(['drain: SIGINT', 'terminate all', 'exit 130']);
  });

  it('ends the process at once with another signal, at any time', () => {
    start();
    receive('SIGTERM');
    time += 1;
    receive('SIGINT');
    expect(done).toEqual(['drain: SIGTERM', 'terminate all', 'exit 130']);
  });

  it('ends the process within a second of the deadline, regardless of running work, also after the last hook', () => {
    start();
    receive('SIGTERM');
    signals.onApplicationShutdown();
    jest.advanceTimersByTime(25_000);
    expect(done).toEqual(['drain: SIGTERM']);
    jest.advanceTimersByTime(999);
    expect(done).toEqual(['drain: SIGTERM', 'terminate all', 'exit 0']);
  });

  it('has a thread end the process within that second where the event loop is blocked, and keeps no process alive for it', () => {
    start();
    receive('SIGTERM');
    expect(FakeWorker.all).toHaveLength(1);
    const [{ code, options, isRef, isTerminated } = {} as FakeWorker] = FakeWorker.all;
    expect([options, isRef, isTerminated]).toEqual([{ eval: true, workerData: expect.any(Number) }, false, false]);
    expect(options.workerData).toBeGreaterThan(25_500);
    expect(options.workerData).toBeLessThan(26_000);
    expect(code).toMatch(/setTimeout\(.*process\.kill\(process\.pid, "SIGKILL"\)/);
  });

  it.each<[string, () => void]>([
    ['can be created', () => void (FakeWorker.refusal = new Error('ERR_WORKER_INIT_FAILED'))],
    ['stays alive', () => undefined],
  ])('drains and keeps to the deadline where no thread %s', (_what, happen) => {
    happen();
    start();
    expect(() => receive('SIGTERM')).not.toThrow();
    // Without a listener, an error of the thread would end the process.
    expect(FakeWorker.all.every(({ heard }) => heard.includes('error'))).toBe(true);
    jest.advanceTimersByTime(25_999);
    expect(done).toEqual(['drain: SIGTERM', 'terminate all', 'exit 0']);
  });

  it('does not end the process at once for the longest deadline that the options accept', () => {
    start(LONGEST);
    receive('SIGTERM');
    jest.advanceTimersByTime(60_000);
    expect(done).toEqual(['drain: SIGTERM']);
    expect(FakeWorker.all[0]?.options.workerData).toBeLessThan(2 ** 31);
  });
});
