/** The last closed connections, at most `capacity` of them. */
export class ClosedRing<Closed extends { readonly serial: number }> {
  readonly #slots: Closed[] = [];
  /** Number of records that were ever added: each is in the slot of its number. */
  #added = 0;

  constructor(private readonly capacity: number) {}

  add(record: Closed): void {
    if (this.capacity > 0) this.#slots[this.#added++ % this.capacity] = record;
  }

  get(serial: number): Closed | undefined {
    return this.#slots.find(record => record.serial === serial);
  }

  /**
   * The records of this moment, the newest first; with `after`, a serial, only those after it in this order. None when that serial is not in
   * the ring: it was older than all records in it. Records that are replaced meanwhile are left out.
   */
  *newestFirst(after: number | null = null): Generator<Closed, void> {
    let isAfter = after === null;
    for (let number = this.#added - 1; number >= Math.max(0, this.#added - this.capacity); number--) {
      const record = this.#slots[number % this.capacity]!;
      if (isAfter) yield record;
      else isAfter = record.serial === after;
    }
  }
}
