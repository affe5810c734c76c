import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';

import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { withinTimers } from '../base/within-timers.js';
import { NodeState } from '../node/node-state.js';
import { DrainService } from './drain.service.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
type Signal = (typeof SIGNALS)[number];

/**
 * Repetitions of the first signal within this time count as one (docs/decisions/0006): Ctrl-C under `npm start` arrives from the terminal
 * and again from npm, later on a busier machine.
 */
const SAME_SIGNAL_MS = 500;
/** Time for the rest of the app's shutdown after the drain's deadline, in milliseconds. */
const GRACE_MS = 500;
/** Time after the deadline at which the watchdog ends a process with a blocked event loop, in milliseconds. */
const WATCHDOG_MS = 650;

/**
 * The library's own listeners for signals, beside Nest's hooks. They set the flag in the same turn as the signal, start the drain without
 * waiting for hooks of other modules (or take over the drain that runs), guarantee the end of the process by the deadline, and let a
 * second signal end it at once.
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

  /** Nest's last hook. After a signal the listeners stay: a hook of another provider may still hang, and a second signal must end that. */
  onApplicationShutdown(): void {
    this.#isOver = true;
    if (this.#signalledAt === null) this.#stopListening();
  }

  #received(signal: Signal): void {
    // Nest has removed its own listeners and raises the signal once more for its default effect.
    if (this.#isOver && this.#isAlone(signal)) return this.#raise(signal);
    const now = this.node.clock.now();
    if (this.#signalledAt !== null) {
      const isSame = signal === this.#first && now - this.#signalledAt < SAME_SIGNAL_MS;
      return isSame ? undefined : this.#exit(signal);
    }
    this.#first = signal;
    this.#signalledAt = now;
    // The reader of the output may have ended already. An error of a write then must not interrupt the drain.
    for (const output of [process.stdout, process.stderr]) output.on('error', ignore);
    this.#armDeadline();
    void this.drain.takeOver(signal).then(() => this.#endWithoutNest(signal));
  }

  /** Handles a second signal without further waiting. The exit status is 128 plus the signal's number, as in shells. */
  #exit(signal: Signal): void {
    const left = this.drain.terminateAll();
    this.#logger.warn(`second signal (${signal}): the process ends now, ${left} connections were terminated`);
    process.exit(128 + constants.signals[signal]);
  }

  /** Work that still runs after the drain's deadline (a hook of the app, an open response) does not keep the process alive. */
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

  /** Without `enableShutdownHooks` no other listener ends the process: this one has replaced the signal's default effect. */
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

/**
 * A blocked event loop (application code that never returns, a terminal that is not read) runs no timer. So a separate thread ends the
 * process. It cannot end PID 1, which the kernel protects from itself. Returns null where no thread can be created.
 */
function startWatchdog(ms: number): Worker | null {
  const code =
    'const { workerData } = require("node:worker_threads"); setTimeout(() => process.kill(process.pid, "SIGKILL"), workerData);';
  try {
    const watchdog = new Worker(code, { eval: true, workerData: ms });
    // An error for lack of a file descriptor arrives only here.
    watchdog.on('error', () => undefined);
    watchdog.unref();
    return watchdog;
  } catch {
    return null;
  }
}

function ignore(): void {}
