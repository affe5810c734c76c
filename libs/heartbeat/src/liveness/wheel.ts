import { Link } from '../connection/link.js';

/** What hangs in the wheel: a link that knows when it is due. */
export interface Scheduled extends Link {
  readonly checkDueAt: number;
}

/** Lists in the wheel; what is due later than one turn waits in the farthest and is put on from there. */
const SLOTS = 1024;

/**
 * One timer for all connections: a ring of lists, one for each step of time. To put in, to take out (`Link.unlink`) and to find
 * what is due cost the same for ten connections and for a million.
 */
export class Wheel<Item extends Scheduled> {
  readonly #slots = Array.from({ length: SLOTS }, () => new Link());
  readonly #ready = new Link();
  #step = 0;

  constructor(private readonly stepMs: number) {}

  /** Hangs `item` in at its `checkDueAt`; what is due already comes with the next step. */
  schedule(item: Item): void {
    const due = Math.max(this.#step + 1, Math.ceil(item.checkDueAt / this.stepMs));
    item.appendTo(this.#slot(Math.min(due, this.#step + SLOTS - 1)));
  }

  /** Goes on to `time`; what is due by then is handed out by `take`. */
  advance(time: number): void {
    for (const target = Math.floor(time / this.stepMs); this.#step < target;) {
      this.#slot(++this.#step).emptyInto(this.#ready);
    }
  }

  /** The next item that is due; undefined when there is none. */
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
