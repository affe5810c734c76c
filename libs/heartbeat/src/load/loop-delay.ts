import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** The resolution of the histogram, in milliseconds; the delay that counts is beyond it. */
const RESOLUTION_MS = 20;
/**
 * Below this utilisation the mean delay of the loop is at most 7 ms, 1 % of the load that counts as full. The histogram would wake an idle
 * process 50 times a second to find that.
 */
const MIN_UTILISATION = 0.25;

/** The mean delay of the event loop: measured by a histogram while the loop works, else by the lateness of the timer that reads it. */
export class LoopDelay {
  #isMeasuring = false;

  constructor(private readonly histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })) {}

  /**
   * The mean since the last call, in milliseconds.
   * @param utilisation The share of that time in which the loop worked, 0 to 1.
   * @param lateMs How late the call is.
   */
  read(utilisation: number, lateMs: number): number {
    // Without a value the histogram has no mean.
    const isMeasured = this.#isMeasuring && this.histogram.count > 0;
    const delayMs = isMeasured ? this.histogram.mean / 1e6 - RESOLUTION_MS : lateMs;
    this.histogram.reset();
    if (utilisation < MIN_UTILISATION) this.stop();
    else this.#start();
    return Math.max(0, delayMs);
  }

  stop(): void {
    if (this.#isMeasuring) this.histogram.disable();
    this.#isMeasuring = false;
  }

  #start(): void {
    if (!this.#isMeasuring) this.histogram.enable();
    this.#isMeasuring = true;
  }
}
