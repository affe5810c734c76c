/** Readings that a window of time is cut into. */
const READINGS = 10;

/**
 * How much of its backlog a connection has taken of late: readings over the last `windowMs`, so that a reader in bursts is
 * not taken for a slow one, nor one that takes a little now and then for a healthy one.
 */
export class Backlog {
  readonly #times: number[] = [];
  readonly #taken: number[] = [];

  constructor(private readonly windowMs: number) {}

  /** Notes what the network had taken in all by `now`. */
  note(now: number, taken: number): void {
    const last = this.#times.at(-1);
    if (last !== undefined && now - last < this.windowMs / READINGS) return;
    this.#times.push(now);
    this.#taken.push(taken);
    // The first reading is kept that is as old as the window.
    while (this.#times[1] !== undefined && now - this.#times[1] >= this.windowMs) {
      this.#times.shift();
      this.#taken.shift();
    }
  }

  /** Bytes for each second since the backlog began or, if that is longer ago, over the window. */
  rate(now: number, taken: number): number {
    const seconds = (now - (this.#times[0] ?? now)) / 1000;
    return seconds === 0 ? Infinity : (taken - (this.#taken[0] ?? taken)) / seconds;
  }

  /** Whether the backlog has been watched for the whole window. */
  isWhole(now: number): boolean {
    return now - (this.#times[0] ?? now) >= this.windowMs;
  }
}
