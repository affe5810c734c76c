import type { Connection } from '../connection.js';
import { compareKeys, type SortOrder } from './sort-order.js';

/** One of the best: what it is sorted by, and which one it was of all that were offered. */
interface Place {
  key: number | null;
  connection: Connection;
  serial: number;
}

/**
 * The first `limit` of a sorted listing, found in one pass: a heap whose top is the last of them. Listed newest first, everybody
 * who is offered gets in: so a place is taken over by whoever drives another out of it, and nothing is made for the garbage.
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

  /** @param serial Rises from offer to offer: it decides among equals. */
  offer(key: number | null, connection: Connection, serial: number): void {
    const heap = this.#heap;
    if (heap.length < this.limit) {
      heap.push({ key, connection, serial });
      // Nothing is asked of the heap before it is full.
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

  /** All, the first one first. */
  sorted(): readonly Place[] {
    return this.#heap.toSorted((left, right) => this.#compare(left, right));
  }

  #compare(left: Place, right: Place): number {
    const byKey = compareKeys(left.key, right.key, this.order);
    if (byKey !== 0) return byKey;
    return this.order === 'asc' ? left.serial - right.serial : right.serial - left.serial;
  }

  /** Moves one down until none of the two below it comes later. */
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
