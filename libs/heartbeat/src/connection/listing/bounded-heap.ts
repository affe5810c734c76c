import type { Connection } from '../connection.js';
import { compareKeys, type SortOrder } from './sort-order.js';

/** One of the first: the value by which it is sorted, and its position among all offers. */
interface Place {
  key: number | null;
  connection: Connection;
  serial: number;
}

/**
 * The first `limit` of a sorted listing, found in one pass: a heap with the last of them at the top. In a listing of the newest first,
 * every offer is accepted. So the object of a replaced entry is reused, and no garbage is created.
 */
export class BoundedHeap {
  readonly #heap: Place[] = [];

  constructor(
    private readonly limit: number,
    private readonly order: SortOrder,
  ) {}

  get isFull(): boolean {
    return this.#heap.length === this.limit;
  }

  /** @param serial Increases with each offer. It decides between equal keys. */
  offer(key: number | null, connection: Connection, serial: number): void {
    const heap = this.#heap;
    if (heap.length < this.limit) {
      heap.push({ key, connection, serial });
      // The heap is not needed before it is full.
      if (this.isFull) for (let at = heap.length >> 1; at-- > 0;) this.#sink(at);
      return;
    }
    const top = heap[0];
    if (top === undefined || (compareKeys(key, top.key, this.order) || (this.order === 'asc' ? 1 : -1)) > 0) return;
    top.key = key;
    top.connection = connection;
    top.serial = serial;
    this.#sink(0);
  }

  /** All entries in order. */
  sorted(): readonly Place[] {
    return this.#heap.toSorted((left, right) => this.#compare(left, right));
  }

  #compare(left: Place, right: Place): number {
    const byKey = compareKeys(left.key, right.key, this.order);
    if (byKey !== 0) return byKey;
    return this.order === 'asc' ? left.serial - right.serial : right.serial - left.serial;
  }

  /** Moves an entry down until neither of the two entries below it sorts later. */
  #sink(from: number): void {
    const heap = this.#heap;
    const place = heap[from]!;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && this.#compare(heap[below]!, heap[below + 1]!) < 0) below++;
      if (this.#compare(place, heap[below]!) >= 0) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = place;
  }
}
