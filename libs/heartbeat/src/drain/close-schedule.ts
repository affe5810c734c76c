import { planCloses, shuffled } from './drain-plan.js';

/** Maximum time that closes hold the event loop before pending I/O is handled, in milliseconds. */
const SLICE_MS = 2;
/**
 * Closes of one turn. The next ones follow after pending I/O: each close is answered by a close frame, which costs several times as much,
 * and most at first, before its code is compiled.
 */
const CLOSES_PER_TURN = 4;
/** A drain catches up once it is late by more than this share of the rest of its spread: in each turn by a part of the late closes. */
const GRACE = 1 / 20;
const PART_OF_LATE = 1 / 4;

/** The order and the moments of a drain's closes, and the number of due closes that one turn of the event loop begins. */
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

  /** Cancels all closes that have not begun. */
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
