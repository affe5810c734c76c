/**
 * How long the server was away lately. What came in during a stall is read all at once: whoever counts by the second has to know
 * how many they were. The second before counts too, since a stall at its end is read in this one; none further back, or a node
 * that stalls all the time would limit nobody.
 */
export class RecentStalls {
  /** The second of attended time that goes on, and what was lost in it: attended time leaves no second out. */
  #second = 0;
  #lostMs = 0;
  #lostBeforeMs = 0;

  /** What a tick lost, at the attended time `nowMs`; answers the sum of what was lost lately, in milliseconds. */
  note(lostMs: number, nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#lostBeforeMs = this.#lostMs;
      this.#second = second;
      this.#lostMs = 0;
    }
    this.#lostMs += lostMs;
    return this.#lostBeforeMs + this.#lostMs;
  }
}
