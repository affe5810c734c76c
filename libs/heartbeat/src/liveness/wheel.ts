import { Link } from '../connection/link.js';

/** An item of the wheel: a link with the time at which it is due. */
export interface Scheduled extends Link {
  readonly checkDueAt: number;
}

/** Lists in the wheel. An item that is due later than one turn waits in the farthest list and is scheduled again from there. */
const SLOTS = 1024;

/**
 * One timer for all connections: a ring of lists, one for each step of time. Scheduling an item, removing it (`Link.unlink`) and finding
 * due items cost the same for ten connections and for a million.
 */
export class Wheel<Item extends Scheduled> {
  readonly #slots = Array.from({ length: SLOTS }, () => new Link());
  readonly #ready = new Link();
  #step = 0;

  constructor(private readonly stepMs: number) {}

  /** Schedules `item` at its `checkDueAt`. An item that is already due is returned at the next step. */
  schedule(item: Item): void {
    const due = Math.max(this.#step + 1, Math.ceil(item.checkDueAt / this.stepMs));
    item.appendTo(this.#slot(Math.min(due, this.#step + SLOTS - 1)));
  }

  /** Advances to `time`. Items that are due by then are returned by `take`. */
  advance(time: number): void {
    for (const target = Math.floor(time / this.stepMs); this.#step < target;) {
      this.#slot(++this.#step).emptyInto(this.#ready);
    }
  }

  /** Whether `take` returns an item. */
  get isDue(): boolean {
    return this.#ready.next !== this.#ready;
  }

  /** Removes and returns the next due item; undefined without one. */
  take(): Item | undefined {
    const item = this.#ready.next;
    if (item === this.#ready) return undefined;
    item.unlink();
    return item as unknown as Item;
  }

  #slot(step: number): Link {
    return this.#slots[step % SLOTS]!;
  }
}
