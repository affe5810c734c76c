import { FrequentKeys } from './frequent-keys.js';

/** Time that one part of the window covers, in milliseconds, and the number of parts. */
export const PART_MS = 300_000;
const PARTS = 3;

/** Sums of a window: the counts by key, and by how much they may be too low. */
export interface RecentCounts {
  readonly counts: ReadonlyMap<string, number>;
  readonly missing: number;
  /** Time that the counts cover, in milliseconds. */
  readonly windowMs: number;
}

/** The frequent keys of the last 10 to 15 minutes: three counts of five minutes each, of which the oldest is dropped. */
export class RecentKeys {
  #parts = [new FrequentKeys()];
  /** The start of the window, and of its last part, in monotonic milliseconds: at first that of the process. */
  #begunAt = 0;
  #partBegunAt = 0;

  /** @param now In monotonic milliseconds, as below. */
  add(key: string, now: number): void {
    this.#advance(now);
    this.#parts[0]!.add(key);
  }

  read(now: number): RecentCounts {
    this.#advance(now);
    const counts = new Map<string, number>();
    let missing = 0;
    for (const part of this.#parts) {
      missing += part.missing;
      for (const [key, count] of part.entries()) counts.set(key, (counts.get(key) ?? 0) + count);
    }
    return { counts, missing, windowMs: Math.round(now - this.#begunAt) };
  }

  #advance(now: number): void {
    while (now - this.#partBegunAt >= PART_MS) {
      this.#partBegunAt += PART_MS;
      this.#parts = [new FrequentKeys(), ...this.#parts.slice(0, PARTS - 1)];
      this.#begunAt = Math.max(this.#begunAt, this.#partBegunAt - PART_MS * (PARTS - 1));
      if (now - this.#partBegunAt < PART_MS * PARTS) continue;
      // Nothing of the window is left.
      this.#parts = [new FrequentKeys()];
      this.#partBegunAt = now;
      this.#begunAt = now - PART_MS * (PARTS - 1);
    }
  }
}
