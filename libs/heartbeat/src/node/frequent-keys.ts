/** Keys that are kept after a reduction. Up to twice as many are counted between two. */
const KEPT = 500;
/** Longer keys are not counted, so that memory is bounded for any input. */
const MAX_KEY_LENGTH = 256;

/**
 * The frequent keys of a stream, in bounded memory for any number of keys (Misra and Gries, "Finding repeated elements", 1982, with
 * reductions in batches). A count is never too high, and too low by at most a five-hundredth of all occurrences. So a key with a larger
 * share is always there, however many others occur.
 */
export class FrequentKeys {
  readonly #counts = new Map<string, number>();
  #missing = 0;

  /** The largest number by which a count may be too low; 0 while every key is counted. */
  get missing(): number {
    return this.#missing;
  }

  add(key: string): void {
    const known = this.#counts.get(key);
    if (known === undefined && key.length > MAX_KEY_LENGTH) return;
    this.#counts.set(key, (known ?? 0) + 1);
    if (this.#counts.size >= 2 * KEPT) this.#reduce();
  }

  entries(): IterableIterator<[string, number]> {
    return this.#counts.entries();
  }

  /** Subtracts the count of the first key that is not kept from all. It has that many occurrences with each of `KEPT` other keys. */
  #reduce(): void {
    const ascending = Float64Array.from(this.#counts.values()).toSorted();
    const lost = ascending[ascending.length - 1 - KEPT]!;
    this.#missing += lost;
    for (const [key, count] of this.#counts) {
      if (count > lost) this.#counts.set(key, count - lost);
      else this.#counts.delete(key);
    }
  }
}
