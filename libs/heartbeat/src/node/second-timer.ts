/** Time between two turns of the timer, in milliseconds. */
export const SECOND_MS = 1000;

/**
 * One timer for all work of the node that is due every second, so that a node at rest wakes once a second and not once for each of them.
 * The timer exists while there is work, and keeps no process alive.
 */
export class SecondTimer {
  readonly #work = new Set<() => void>();
  #timer: NodeJS.Timeout | null = null;

  /** Calls `work` every second, the first time within the next one. Returns the function that ends this. */
  every(work: () => void): () => void {
    this.#work.add(work);
    this.#timer ??= setInterval(() => this.#turn(), SECOND_MS).unref();
    return () => this.#end(work);
  }

  #end(work: () => void): void {
    this.#work.delete(work);
    if (this.#work.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /** An error of one is uncaught, as from a timer of its own, and does not keep the others from their turn. */
  #turn(): void {
    for (const work of this.#work) {
      try {
        work();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
