import type { ClosedView } from '../connection-view.js';

/** The last closed connections, newest first, at most `capacity` of them. */
export class ClosedRing {
  readonly #slots: ClosedView[] = [];
  #next = 0;

  constructor(private readonly capacity: number) {}

  add(view: ClosedView): void {
    if (this.capacity === 0) return;
    this.#slots[this.#next] = view;
    this.#next = (this.#next + 1) % this.capacity;
  }

  get(id: string): ClosedView | undefined {
    return this.#slots.find(view => view.id === id);
  }

  /** All, newest first. */
  list(): ClosedView[] {
    return [...this.#slots.slice(0, this.#next).toReversed(), ...this.#slots.slice(this.#next).toReversed()];
  }
}
