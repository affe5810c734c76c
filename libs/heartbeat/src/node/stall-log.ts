/** A time in which the server did not run, or hardly ran; in monotonic milliseconds. */
export interface Stall {
  readonly from: number;
  readonly to: number;
  /** The part of it that was lost: all of one long stall, and the sum of short ones. */
  readonly lostMs: number;
}

/** Shorter stalls are those of every busy process. */
const MIN_LOST_MS = 500;
/** Stalls that are less than this apart are one: a process that is short of CPU stalls again and again. */
const GAP_MS = 1000;
const CAPACITY = 256;

/** The last stalls of the server, in their order. All connections share them, so that a stall costs nothing for each. */
export class StallLog {
  readonly #stalls: Stall[] = [];

  /** Adds what one tick of the heartbeat lost. Shorter losses are ignored. */
  add(lostMs: number, elapsedMs: number, now: number): void {
    if (lostMs < MIN_LOST_MS) return;
    const from = now - elapsedMs;
    const last = this.#stalls.at(-1);
    if (last !== undefined && from - last.to < GAP_MS) {
      this.#stalls.pop();
      this.#stalls.push({ from: last.from, to: now, lostMs: last.lostMs + lostMs });
      return;
    }
    if (this.#stalls.length === CAPACITY) this.#stalls.shift();
    this.#stalls.push({ from, to: now, lostMs });
  }

  /** The last `limit` stalls that overlap a time, the oldest first. */
  during(from: number, to: number, limit: number): Stall[] {
    const found: Stall[] = [];
    for (let place = this.#stalls.length - 1; place >= 0 && found.length < limit; place--) {
      const stall = this.#stalls[place]!;
      if (stall.to <= from) break;
      if (stall.from < to) found.push(stall);
    }
    return found.toReversed();
  }
}
