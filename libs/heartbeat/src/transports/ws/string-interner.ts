/** Words that are remembered at once. */
const MAX_WORDS = 1000;

/**
 * Holds words once that come with many connections, such as the name of a browser: each request has a copy of its
 * own, which its connection would keep. Bounded: when it is full it begins anew, and only some memory is lost.
 */
export class StringInterner {
  readonly #words = new Map<string, string>();

  /** The same word, and the same piece of memory for all who ask for it. */
  one(word: string): string {
    const held = this.#words.get(word);
    if (held !== undefined) return held;
    if (this.#words.size >= MAX_WORDS) this.#words.clear();
    this.#words.set(word, word);
    return word;
  }

  get size(): number {
    return this.#words.size;
  }
}
