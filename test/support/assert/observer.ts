import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

/** The report of a well-behaved client. */
export interface ObserverReport {
  readonly answers: number;
  /** The round trip that 99 of 100 stayed under, and the longest, in milliseconds. */
  readonly p99Ms: number;
  readonly slowestMs: number;
  /** The same of the observer's own event loop: what a busy machine costs it, whatever the server does. */
  readonly ownP99Ms: number;
  /** Its complaints; empty without problems. */
  readonly complaints: readonly string[];
}

/** What the process of an observer is asked for; each is answered by a report. */
export type ObserverRequest = 'begin' | 'report';

/** Fewer answers say nothing about one in a hundred. */
const LEAST_ANSWERS = 150;

/**
 * A well-behaved client in a process of its own, which echoes all the time: neither what attacks the server nor the test that
 * attacks it can slow it down, only the server.
 */
export class Observer {
  static readonly #running = new Set<Observer>();

  private constructor(private readonly child: ChildProcess) {
    Observer.#running.add(this);
  }

  /** Its process starts while the port is awaited. */
  static async start(port: Promise<number>): Promise<Observer> {
    const loader = new URL('../run-typescript.mjs', import.meta.url).href;
    const child = fork(fileURLToPath(new URL('observer-process.ts', import.meta.url)), [], {
      execArgv: ['--import', loader],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const observer = new Observer(child);
    child.send(await port);
    await once(child, 'message', { signal: AbortSignal.timeout(20_000) });
    return observer;
  }

  /** Ends every observer of this file. */
  static async stopAll(): Promise<void> {
    await Promise.all([...Observer.#running].map(observer => observer.stop()));
  }

  /** Lets its reports be about the questions from now on. */
  async begin(): Promise<void> {
    await this.#request('begin');
  }

  /** Its report until now; waits until that is enough to judge by. */
  async report(): Promise<ObserverReport> {
    let last = await this.#ask();
    await until(async () => (last = await this.#ask()).answers >= LEAST_ANSWERS, {
      timeoutMs: 15_000,
      message: () => `the answers to a well-behaved client, which has ${last.answers}: ${last.complaints.join(', ')}`,
    });
    return last;
  }

  async stop(): Promise<void> {
    Observer.#running.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }

  #ask(): Promise<ObserverReport> {
    return this.#request('report');
  }

  async #request(what: ObserverRequest): Promise<ObserverReport> {
    const answer = once(this.child, 'message', { signal: AbortSignal.timeout(10_000) });
    this.child.send(what);
    const [report] = (await answer) as [ObserverReport];
    return report;
  }
}
