/** Time between two ticks while there are connections, in milliseconds. */
export const TICK_MS = 50;
/** The same without a connection: enough for attended time, the liveness probe and the distribution of lateness. */
export const REST_MS = 1000;
/** A tick that is later than this is a stall: attended time does not count more. */
export const MAX_LATE_MS = TICK_MS;

/** The timer of the tick. */
export class TickTimer {
  #timer: NodeJS.Timeout | null = null;
  #periodMs = TICK_MS;

  constructor(private readonly fire: () => void) {}

  /** Time between two ticks that is in force, in milliseconds. */
  get periodMs(): number {
    return this.#periodMs;
  }

  start(): void {
    this.#periodMs = TICK_MS;
    this.#timer = setInterval(this.fire, TICK_MS);
    // Open connections keep the process alive; without one there is nothing to watch.
    this.#timer.unref();
  }

  /** Changes the period; the next tick is due one period from now. No effect where the timer is stopped or has this period. */
  setPeriod(periodMs: number): void {
    if (this.#timer === null || periodMs === this.#periodMs) return;
    clearInterval(this.#timer);
    this.#periodMs = periodMs;
    this.#timer = setInterval(this.fire, periodMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#periodMs = TICK_MS;
  }
}
