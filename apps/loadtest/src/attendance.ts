/** A span of time on the monotonic clock. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Longer than this without an answer to questions asked every {@link ASK_EVERY_MS} is no slowness but absence. */
const ABSENT_AFTER_MS = 1_500;
export const ASK_EVERY_MS = 500;

/**
 * Finds when the server did not attend: it was stopped, frozen or blocked. One client sends a request twice
 * a second; a slow server still responds at that pace, only later, and an absent one leaves a gap.
 */
export class Attendance {
  #heardAt: number | null = null;
  #absent: Stretch[] = [];

  heard(now: number): void {
    this.#close(now);
    this.#heardAt = now;
  }

  /** Forgets the time of the last response, because requests have stopped. */
  pause(): void {
    this.#heardAt = null;
  }

  /** The absences that ended since the last call. */
  take(): Stretch[] {
    const stretches = this.#absent;
    this.#absent = [];
    return stretches;
  }

  /** Ends an absence that still lasts. */
  finish(now: number): void {
    this.#close(now);
    this.#heardAt = null;
  }

  #close(now: number): void {
    if (this.#heardAt === null || now - this.#heardAt <= ABSENT_AFTER_MS) return;
    // It may have attended for another moment after its last answer; in doubt for the server.
    this.#absent.push({ from: this.#heardAt, to: now });
  }
}

/** How much of the span lies in the stretches, which do not overlap. */
export function overlapMs(stretches: readonly Stretch[], { from, to }: Stretch): number {
  return stretches.reduce(
    (total, stretch) => total + Math.max(0, Math.min(to, stretch.to) - Math.max(from, stretch.from)),
    0,
  );
}
