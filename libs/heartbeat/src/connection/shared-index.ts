/** Items by key; several items may share a key. The usual single item is stored without a set around it, to save memory. */
export class SharedIndex<Item extends object> {
  readonly #items = new Map<string, Item | Set<Item>>();

  #size = 0;

  /** The number of entries under all keys together. */
  get size(): number {
    return this.#size;
  }

  has(key: string, item: Item): boolean {
    const held = this.#items.get(key);
    return held === item || (held instanceof Set && held.has(item));
  }

  /** Returns false if the item was already there. */
  add(key: string, item: Item): boolean {
    const held = this.#items.get(key);
    if (held === item || (held instanceof Set && held.has(item))) return false;
    this.#size++;
    if (held === undefined) this.#items.set(key, item);
    else if (held instanceof Set) held.add(item);
    else this.#items.set(key, new Set([held, item]));
    return true;
  }

  /** Removes `item` from `key`. Returns false if it was not there. Other items under the same key stay. */
  remove(key: string, item: Item): boolean {
    if (!this.has(key, item)) return false;
    const held = this.#items.get(key);
    this.#size--;
    if (held instanceof Set) held.delete(item);
    if (held === item || (held instanceof Set && held.size === 0)) this.#items.delete(key);
    return true;
  }

  count(key: string): number {
    const held = this.#items.get(key);
    if (held === undefined) return 0;
    return held instanceof Set ? held.size : 1;
  }

  get(key: string): Item[] {
    const held = this.#items.get(key);
    if (held === undefined) return [];
    return held instanceof Set ? [...held] : [held];
  }

  *entries(): IterableIterator<[string, Item]> {
    for (const [key, held] of this.#items) {
      if (held instanceof Set) for (const item of held) yield [key, item];
      else yield [key, held];
    }
  }
}
