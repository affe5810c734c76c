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
   * At most `limit` records, the newest first; with `after`, a serial, only those after it in this order. None when that serial is not in
   * the ring: it was older than all records in it.
   */
  list(limit = Infinity, after: number | null = null): Closed[] {
    const found: Closed[] = [];
    let isAfter = after === null;
    for (let back = 1; back <= this.#slots.length && found.length < limit; back++) {
      // A negative index counts from the last slot.
      const item = this.#slots.at(this.#next - back)!;
      if (isAfter) found.push(item);
      else isAfter = item.serial === after;
    }
    return found;
  }
}
