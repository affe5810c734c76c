import { SECOND_MS, type SecondTimer } from '../node/second-timer.js';

/** Time between two ticks while there are connections, in milliseconds. */
export const TICK_MS = 50;
/** The same without a connection: enough for attended time, the liveness probe and the distribution of lateness. */
export const REST_MS = SECOND_MS;
/** A tick that is later than this is a stall: attended time does not count more. */
export const MAX_LATE_MS = TICK_MS;

/** The timer of the tick: one of its own, and at rest that of the node. */
export class TickTimer {
  /** Ends the timer; null where it is stopped. */
  #end: (() => void) | null = null;
  #periodMs = TICK_MS;

  constructor(
    private readonly seconds: SecondTimer,
    private readonly fire: () => void,
  ) {}

  /** Time between two ticks that is in force, in milliseconds. */
  get periodMs(): number {
    return this.#periodMs;
  }

  start(): void {
    this.#run(TICK_MS);
  }

  /** Changes the period; the next tick is due within one period from now. No effect where the timer is stopped or has this period. */
  setPeriod(periodMs: typeof TICK_MS | typeof REST_MS): void {
    if (this.#end === null || periodMs === this.#periodMs) return;
    this.#end();
    this.#run(periodMs);
  }

  stop(): void {
    this.#end?.();
    this.#end = null;
    this.#periodMs = TICK_MS;
  }

  #run(periodMs: number): void {
    this.#periodMs = periodMs;
    if (periodMs === REST_MS) {
      this.#end = this.seconds.every(this.fire);
      return;
    }
    // Open connections keep the process alive; without one there is nothing to watch.
    const timer = setInterval(this.fire, periodMs).unref();
    this.#end = () => clearInterval(timer);
  }
}
