/** Maximum of strings that are held at once. */
const MAX_STRINGS = 1000;

/**
 * Holds one copy of strings that many connections share, such as the user agent: otherwise each connection would keep the copy of its own
 * request. Bounded: a full pool is cleared, which only costs some memory.
 */
export class StringInterner {
  readonly #strings = new Map<string, string>();

  /** The same string, in memory that all connections share. */
  one(text: string): string {
    const held = this.#strings.get(text);
    if (held !== undefined) return held;
    if (this.#strings.size >= MAX_STRINGS) this.#strings.clear();
    this.#strings.set(text, text);
    return text;
  }

  get size(): number {
    return this.#strings.size;
  }
}
