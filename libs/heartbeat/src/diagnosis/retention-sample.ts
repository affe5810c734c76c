/** An object that ends, and should not be referenced after its end. */
export interface Ended {
  readonly ended: boolean;
}

interface Watched<Item extends Ended & object> {
  readonly ref: WeakRef<Item>;
  /** The number of collections detected when the end was noticed; null before the end. */
  endedAt: number | null;
}

/**
 * Number of collections that must be detected after an end before the object counts as held. One may have begun before the end, and the
 * check's own reference may have kept the object from another.
 */
const COLLECTIONS = 3;

/**
 * Detects ended objects that are still referenced, with a sample that holds only weak references. An unreferenced object stays in memory
 * until the next full garbage collection, so elapsed time is no evidence. A probe object detects whether there was a collection.
 */
export class RetentionSample<Item extends Ended & object> {
  #watched: Watched<Item>[] = [];
  /** Never strongly referenced, so it disappears with the first garbage collection. */
  #probe: WeakRef<object> | null = null;
  #collections = 0;

  constructor(
    private readonly capacity: number,
    private readonly makeProbe: () => WeakRef<object> = () => new WeakRef({}),
    private readonly random: () => number = Math.random,
  ) {}

  /** The number of objects that are watched. */
  get size(): number {
    return this.#watched.length;
  }

  /** Checks the sample. Returns the number of objects that have ended and are still held. */
  check(): number {
    if (this.#probe?.deref() === undefined) {
      this.#collections++;
      this.#probe = this.makeProbe();
    }
    this.#watched = this.#watched.filter(watched => this.#isThere(watched));
    return this.#watched.filter(({ endedAt }) => endedAt !== null && this.#collections - endedAt >= COLLECTIONS).length;
  }

  /** Fills the sample with objects that have not ended; each has the same chance. */
  refill(living: Iterable<Item>): void {
    const known = new Set(this.#watched.map(({ ref }) => ref.deref()));
    const room = this.capacity - this.#watched.length;
    const chosen: Item[] = [];
    let seen = 0;
    for (const item of living) {
      if (known.has(item)) continue;
      // Reservoir sampling: one pass, without knowing the number of objects.
      const place = chosen.length < room ? chosen.length : Math.floor(this.random() * (seen + 1));
      if (place < room) chosen[place] = item;
      seen++;
    }
    for (const item of chosen) this.#watched.push({ ref: new WeakRef(item), endedAt: null });
  }

  #isThere(watched: Watched<Item>): boolean {
    const item = watched.ref.deref();
    if (item === undefined) return false;
    if (item.ended) watched.endedAt ??= this.#collections;
    return true;
  }
}
