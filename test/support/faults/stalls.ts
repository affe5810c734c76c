import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The step at which the loop is sampled; a delay is only seen to that precision. */
const STEP_MS = 5;

/**
 * How long this process's own event loop stood still. A busy machine stalls the test and the server alike: what a test
 * measured late for that reason must not count against the server.
 */
export class Stalls {
  readonly #histogram = monitorEventLoopDelay({ resolution: STEP_MS });

  private constructor() {
    this.#histogram.enable();
  }

  static watch(): Stalls {
    return new Stalls();
  }

  /** The longest stall so far, in milliseconds; 0 when the loop was never late. */
  get longestMs(): number {
    return Math.max(0, this.#histogram.max / 1e6 - STEP_MS);
  }

  stop(): void {
    this.#histogram.disable();
  }
}
