/** What is watched: something that ends, and should then be given up by everybody. */
export interface Ended {
  readonly ended: boolean;
}

interface Watched<Item extends Ended & object> {
  readonly ref: WeakRef<Item>;
  /** Collections that had been noticed when its end was; null while it lives. */
  endedAt: number | null;
}

/**
 * Collections that must have been noticed since an end before the ended counts as held: one may have begun before the end,
 * and another may have been kept from it by our own look.
 */
const COLLECTIONS = 3;

/**
 * Finds out whether what has ended is still held by somebody, by a sample that holds nobody itself. A dead object stays in memory
 * until the next full collection of garbage, so time tells nothing; whether there was one, a canary tells.
 */
export class RetentionSample<Item extends Ended & object> {
  #watched: Watched<Item>[] = [];
  /** Held by nobody from the start: gone as soon as garbage was collected. */
  #canary: WeakRef<object> | null = null;
  #collections = 0;

  constructor(
    private readonly capacity: number,
    private readonly makeProbe: () => WeakRef<object> = () => new WeakRef({}),
    private readonly random: () => number = Math.random,
  ) {}

  /** Those that are watched now. */
  get size(): number {
    return this.#watched.length;
  }

  /** Looks at the sample; answers how many have ended and are still held. */
  look(): number {
    if (this.#canary?.deref() === undefined) {
      this.#collections++;
      this.#canary = this.makeProbe();
    }
    this.#watched = this.#watched.filter(watched => this.#isThere(watched));
    return this.#watched.filter(({ endedAt }) => endedAt !== null && this.#collections - endedAt >= COLLECTIONS).length;
  }

  /** Fills the sample with some of the living, each of whom has the same chance. */
  refill(living: Iterable<Item>): void {
    const known = new Set(this.#watched.map(({ ref }) => ref.deref()));
    const room = this.capacity - this.#watched.length;
    const chosen: Item[] = [];
    let seen = 0;
    for (const item of living) {
      if (known.has(item)) continue;
      // Reservoir sampling: one pass, without knowing how many there are.
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
