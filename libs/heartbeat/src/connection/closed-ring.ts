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

  /** All, newest first; `after` a serial those that come after it: none after a forgotten one, since it was older than all. */
  list(after: number | null = null): Closed[] {
    const all = [...this.#slots.slice(0, this.#next).toReversed(), ...this.#slots.slice(this.#next).toReversed()];
    if (after === null) return all;
    const place = all.findIndex(({ serial }) => serial === after);
    return place === -1 ? [] : all.slice(place + 1);
  }
}
