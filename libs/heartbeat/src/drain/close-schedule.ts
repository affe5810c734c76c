import { planCloses, shuffled } from './drain-plan.js';

/** How long closes may hold the event loop before waiting I/O has its turn. */
const SLICE_MS = 2;
/**
 * Closes of one turn, the next ones after the I/O that waits: each is answered by a close frame, which costs several times as much,
 * and most at first, while its code is cold.
 */
const CLOSES_PER_TURN = 4;
/** A drain hurries once it is late by more than this share of the rest of its spread: a part of what is late in each turn. */
const GRACE = 1 / 20;
const PART_OF_LATE = 1 / 4;

/** The order and the moments of a drain's closes, and how many of those that are due a turn of the event loop begins. */
export class CloseSchedule<Target> {
  readonly #targets: Target[];
  readonly #moments: Float64Array;
  #next = 0;

  /** @param startAt The monotonic time of the first possible close, in milliseconds. */
  constructor(
    targets: Iterable<Target>,
    private readonly startAt: number,
    private readonly spreadMs: number,
  ) {
    this.#targets = shuffled(targets);
    this.#moments = planCloses(this.#targets.length, spreadMs);
  }

  /** The monotonic time at which the last close is due, in milliseconds. */
  get endsAt(): number {
    return this.startAt + this.spreadMs;
  }

  /** The targets whose close has not begun. */
  get rest(): Target[] {
    return this.#targets.slice(this.#next);
  }

  /** Begins no further close. */
  cancel(): void {
    this.#next = this.#targets.length = 0;
  }

  /** Begins some of the closes that are due at `now()`; returns whether due ones are left for the next turn. */
  closeDue(now: () => number, close: (target: Target) => void): boolean {
    const begun = now();
    const elapsed = begun - this.startAt;
    const passed = elapsed < this.spreadMs ? elapsed / this.spreadMs : 1;
    const late = (passed - GRACE * (1 - passed)) * this.#targets.length - this.#next;
    for (let closed = 1; this.#next < this.#targets.length && this.#moments[this.#next]! <= elapsed; closed++) {
      close(this.#targets[this.#next++]!);
      if (closed % CLOSES_PER_TURN !== 0) continue;
      if (closed >= late * PART_OF_LATE || now() - begun > SLICE_MS) return true;
    }
    return false;
  }
}
