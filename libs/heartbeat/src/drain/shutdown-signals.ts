import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';

import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { NodeState } from '../connection/node-state.js';
import { DrainService } from './drain.service.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
type Signal = (typeof SIGNALS)[number];

/**
 * The same signal within this time of the first counts once (docs/decisions/0006): Ctrl-C under `npm start` arrives from the terminal and again
 * from npm, later the busier the machine is.
 */
const SAME_SIGNAL_MS = 500;
/** After the drain's deadline, the rest of the app's shutdown has this long. */
const GRACE_MS = 500;
/** After which the watchdog ends a process whose event loop stands still. */
const WATCHDOG_MS = 650;

/**
 * Our own listeners beside Nest's hooks: they raise the flag in the very turn of the signal, start the drain without waiting
 * for any other module's hook, see to it that the process ends by the deadline, and let a second signal end it at once.
 */
@Injectable()
export class ShutdownSignals implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger('Heartbeat');
  readonly #listener = (signal: Signal) => this.#received(signal);
  #signalledAt: number | null = null;
  #first: Signal | null = null;
  #isOver = false;
  #timer: NodeJS.Timeout | null = null;
  #watchdog: Worker | null = null;

  constructor(
    private readonly node: NodeState,
    private readonly drain: DrainService,
  ) {}

  onApplicationBootstrap(): void {
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  /** Nest's last hook. After a signal we listen on: another provider's hook may still hang, and a second signal must end that. */
  onApplicationShutdown(): void {
    this.#isOver = true;
    if (this.#signalledAt === null) this.#stopListening();
  }

  #received(signal: Signal): void {
    // Nest has taken its own listeners away and raises the signal once more, for what it does by default.
    if (this.#isOver && this.#isAlone(signal)) return this.#raise(signal);
    const now = this.node.clock.now();
    if (this.#signalledAt !== null) {
      const isSame = signal === this.#first && now - this.#signalledAt < SAME_SIGNAL_MS;
      return isSame ? undefined : this.#exit(signal);
    }
    this.#first = signal;
    this.#signalledAt = now;
    // Whoever read our output may have gone already: to write then must not cut the goodbyes short.
    for (const output of [process.stdout, process.stderr]) output.on('error', ignore);
    this.#armDeadline();
    void this.drain.takeOver(signal).then(() => this.#endWithoutNest(signal));
  }

  /** Second signal: no more waiting. The exit status is 128 and the signal's number, as shells have it. */
  #exit(signal: Signal): void {
    const left = this.drain.terminateAll();
    this.#logger.warn(`second signal (${signal}): the process ends now, ${left} connections were terminated`);
    process.exit(128 + constants.signals[signal]);
  }

  /** Whatever still runs after the drain's deadline (a hook of the app, an open response) does not keep the process. */
  #armDeadline(): void {
    const { deadlineMs } = this.node.options.drain;
    this.#timer = setTimeout(
      () => {
        const left = this.drain.terminateAll();
        this.#logger.warn(
          `the deadline of ${deadlineMs} ms has passed: the process ends without the rest of the shutdown, ${left} connections were terminated`,
        );
        process.exit(0);
      },
      withinTimers(deadlineMs + GRACE_MS),
    );
    this.#timer.unref();
    this.#watchdog = startWatchdog(withinTimers(deadlineMs + WATCHDOG_MS));
  }

  /** Without `enableShutdownHooks` nobody else ends the process: our listener has taken the signal's default away. */
  #endWithoutNest(signal: Signal): void {
    if (this.#isAlone(signal)) this.#raise(signal);
  }

  #isAlone(signal: Signal): boolean {
    return process.listeners(signal).every(listener => listener === this.#listener);
  }

  #raise(signal: Signal): void {
    this.#stopListening();
    process.kill(process.pid, signal);
  }

  #stopListening(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
    if (this.#signalledAt === null) this.#disarm();
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    void this.#watchdog?.terminate();
    this.#timer = this.#watchdog = null;
  }
}

/** A longer delay would make Node's timers fire at once. */
function withinTimers(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}

/**
 * A loop that stands still (user code that never returns, a terminal that nobody reads) runs no timer: a thread of its own ends
 * the process then; not as PID 1, which the kernel shields from itself. Null where no thread can be made.
 */
function startWatchdog(ms: number): Worker | null {
  const code =
    'const { workerData } = require("node:worker_threads"); setTimeout(() => process.kill(process.pid, "SIGKILL"), workerData);';
  try {
    const watchdog = new Worker(code, { eval: true, workerData: ms });
    // A process without a free file descriptor learns it only here.
    watchdog.on('error', () => undefined);
    watchdog.unref();
    return watchdog;
  } catch {
    return null;
  }
}

function ignore(): void {}
