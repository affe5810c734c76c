/**
 * The recent time that the server was stalled. Input that arrives during a stall is read all at once, so limits per second need the number
 * of seconds that it represents. The second before counts too, since input of a stall at its end is read in this one. Earlier stalls do not
 * count, or a node that stalls all the time would have no limits.
 */
export class RecentStalls {
  /** The current second of attended time, and the time lost in it. */
  #second = 0;
  #lostMs = 0;
  #lostBeforeMs = 0;

  /** Adds the time that a tick lost, at the attended time `nowMs`. Returns the recent sum in milliseconds. */
  note(lostMs: number, nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#lostBeforeMs = second === this.#second + 1 ? this.#lostMs : 0;
      this.#second = second;
      this.#lostMs = 0;
    }
    this.#lostMs += lostMs;
    return this.#lostBeforeMs + this.#lostMs;
  }
}
