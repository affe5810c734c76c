/** Failures within the window after which an address is blocked. */
const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;
/** Maximum of addresses that are stored. Then the one that failed longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

/**
 * Counts failures by address over the last minute. With ten, an address is blocked until the first of them is a minute old. Wrong tokens
 * that it tries meanwhile do not count. All guards of the module share one window.
 */
export class FailureWindow {
  /** Times of the last failures by address, oldest first; the address that failed last comes last. */
  readonly #failures = new Map<string, number[]>();

  constructor(private readonly maxAddresses = MAX_ADDRESSES) {}

  /** Remaining time of the block of an address at `now`, in milliseconds; 0 without a block. */
  blockedMs(address: string, now: number): number {
    const times = this.#failures.get(address);
    if (times === undefined || times.length < MAX_FAILURES) return 0;
    return Math.max(0, times[0]! + WINDOW_MS - now);
  }

  failed(address: string, now: number): void {
    const recent = (this.#failures.get(address) ?? []).filter(time => now - time < WINDOW_MS);
    this.#failures.delete(address);
    this.#failures.set(address, [...recent, now].slice(-MAX_FAILURES));
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > this.maxAddresses && oldest !== undefined) this.#failures.delete(oldest);
  }
}
