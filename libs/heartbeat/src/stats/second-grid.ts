/** A longer time between two samples is a stall, which stays a gap. */
const MAX_LATE_MS = 1500;

/** The second to which a sample belongs. */
export interface GridPlace {
  /** Whole seconds on the grid; later samples never have a smaller one. */
  readonly second: number;
  /** Whether the sample covers the second before as well: the timer of a second takes a little longer, and so skips one from time to time. */
  readonly isDouble: boolean;
}

/**
 * The seconds of the samples. They follow the monotonic clock, so that a step of the wall clock moves no sample. Where the wall clock gains
 * on it at once, the machine was suspended (Linux stops the monotonic clock then), and the seconds of that time are a gap.
 */
export class SecondGrid {
  #wallAheadMs: number;
  #suspendedMs = 0;
  #takenAt: number;
  #second: number;

  /** @param wall The wall time of `now` in epoch milliseconds, as below. */
  constructor(now: number, wall: number) {
    this.#wallAheadMs = wall - now;
    this.#takenAt = now;
    this.#second = Math.floor(now / 1000);
  }

  /** The place of a sample that is taken now. */
  next(now: number, wall: number): GridPlace {
    const aheadMs = wall - now;
    const gainMs = aheadMs - this.#wallAheadMs;
    this.#wallAheadMs = aheadMs;
    if (gainMs > MAX_LATE_MS) this.#suspendedMs += gainMs;
    const second = Math.max(this.#second, Math.floor(this.timeOf(now) / 1000));
    const isDouble = second === this.#second + 2 && gainMs <= MAX_LATE_MS && now - this.#takenAt < MAX_LATE_MS;
    this.#second = second;
    this.#takenAt = now;
    return { second, isDouble };
  }

  /** A monotonic time on the grid, in milliseconds. */
  timeOf(now: number): number {
    return now + this.#suspendedMs;
  }
}

/** A shift within this part of a second does not change, so that a little noise of a clock does not move a chart. */
const STICKY_S = 0.75;

/** The shift between the seconds of the grid and those of a shared clock, in whole seconds. */
export class GridShift {
  #seconds = Number.NaN;

  /** @param gridTime A time on the grid, and `sharedTime` the same time by the shared clock, in milliseconds. */
  of(gridTime: number, sharedTime: number): number {
    const exact = (sharedTime - gridTime) / 1000;
    if (!(Math.abs(exact - this.#seconds) < STICKY_S)) this.#seconds = Math.round(exact);
    return this.#seconds;
  }
}
