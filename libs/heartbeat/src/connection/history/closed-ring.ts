/** The last closed connections, newest first, at most `capacity` of them. */
export class ClosedRing<Closed extends { readonly serial: number }> {
  readonly #slots: Closed[] = [];
  #next = 0;

  constructor(private readonly capacity: number) {}

  add(record: Closed): void {
    if (this.capacity === 0) return;
    this.#slots[this.#next] = record;
    this.#next = (this.#next + 1) % this.capacity;
  }

  get(serial: number): Closed | undefined {
    return this.#slots.find(record => record.serial === serial);
  }

  /**
   * At most `limit`, newest first; with `after`, a serial, only those that come after it: none when it is not held, since a
   * forgotten one was older than all.
   */
  list(limit = Infinity, after: number | null = null): Closed[] {
    const found: Closed[] = [];
    let isAfter = after === null;
    for (let back = 1; back <= this.#slots.length && found.length < limit; back++) {
      // Before the first slot comes the last.
      const item = this.#slots.at(this.#next - back)!;
      if (isAfter) found.push(item);
      else isAfter = item.serial === after;
    }
    return found;
  }
}
