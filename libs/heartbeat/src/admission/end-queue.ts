interface End {
  readonly id: string;
  at: number;
  place: number;
}

/**
 * Ids by the time at which they end, the earliest first: a binary heap that stores the position of each id. So a removed or moved id leaves
 * no entry behind, and no operation iterates over all.
 */
export class EndQueue {
  readonly #heap: End[] = [];
  readonly #byId = new Map<string, End>();

  get size(): number {
    return this.#heap.length;
  }

  /** Adds an id, or changes its time. */
  set(id: string, at: number): void {
    this.delete(id);
    const end = { id, at, place: this.#heap.length };
    this.#byId.set(id, end);
    this.#heap.push(end);
    this.#rise(end);
  }

  delete(id: string): void {
    const end = this.#byId.get(id);
    if (end === undefined) return;
    this.#byId.delete(id);
    const last = this.#heap.pop()!;
    if (last === end) return;
    this.#put(last, end.place);
    this.#rise(last);
    this.#sink(last);
  }

  /** Removes and returns the first id that has ended by `now`; undefined without one. */
  takeEnded(now: number): string | undefined {
    const [first] = this.#heap;
    if (first === undefined || first.at > now) return undefined;
    this.delete(first.id);
    return first.id;
  }

  #put(end: End, place: number): void {
    this.#heap[place] = end;
    end.place = place;
  }

  #rise(end: End): void {
    for (;;) {
      const above = this.#heap[(end.place - 1) >> 1];
      if (end.place === 0 || above === undefined || above.at <= end.at) return;
      this.#swap(above, end);
    }
  }

  #sink(end: End): void {
    for (;;) {
      const [left, right] = [this.#heap[2 * end.place + 1], this.#heap[2 * end.place + 2]];
      const first = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (first === undefined || first.at >= end.at) return;
      this.#swap(end, first);
    }
  }

  #swap(upper: End, lower: End): void {
    const { place } = upper;
    this.#put(upper, lower.place);
    this.#put(lower, place);
  }
}
