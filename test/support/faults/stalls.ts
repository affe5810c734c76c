import { monitorEventLoopDelay } from 'node:perf_hooks';
import { watchMachine } from '../assert/until.js';

/** The step at which the loop is sampled; a delay is only seen to that precision. */
const STEP_MS = 5;

/**
 * How long this process's own event loop stood still. A busy machine stalls the test and the server alike: what a test
 * measured late for that reason must not count against the server.
 */
export class Stalls {
  readonly #histogram = monitorEventLoopDelay({ resolution: STEP_MS });
  readonly #machineMs = watchMachine();

  private constructor() {
    this.#histogram.enable();
  }

  static watch(): Stalls {
    return new Stalls();
  }

  /**
   * The longest stall so far, in milliseconds; 0 when the loop was never late. On a busy machine it is at least the time in which processes
   * waited for a core, since the process under test waits as this one does.
   */
  get longestMs(): number {
    return Math.max(this.#machineMs(), this.#histogram.max / 1e6 - STEP_MS);
  }

  stop(): void {
    this.#histogram.disable();
  }
}
