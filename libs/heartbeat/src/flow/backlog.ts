/** Number of readings in a window of time. */
const READINGS = 10;

/**
 * The rate at which a connection has recently reduced its backlog, from readings over the last `windowMs`. So a client that reads in bursts
 * does not count as slow, and one that occasionally reads a little does not count as healthy.
 */
export class Backlog {
  readonly #times: number[] = [];
  readonly #taken: number[] = [];

  constructor(private readonly windowMs: number) {}

  /** Records the total of bytes that the network had taken by `now`. */
  note(now: number, taken: number): void {
    const last = this.#times.at(-1);
    if (last !== undefined && now - last < this.windowMs / READINGS) return;
    this.#times.push(now);
    this.#taken.push(taken);
    // The oldest reading kept is the last one that is as old as the window.
    while (this.#times[1] !== undefined && now - this.#times[1] >= this.windowMs) {
      this.#times.shift();
      this.#taken.shift();
    }
  }

  /** Bytes per second since the backlog began, but at most over the window. */
  rate(now: number, taken: number): number {
    const seconds = (now - (this.#times[0] ?? now)) / 1000;
    return seconds === 0 ? Infinity : (taken - (this.#taken[0] ?? taken)) / seconds;
  }

  /** Whether the backlog was watched for the whole window. */
  isWhole(now: number): boolean {
    return now - (this.#times[0] ?? now) >= this.windowMs;
  }
}
