/** Maximum of consecutive waits that are skipped: a handler may leave promises that take time after it has ended. */
const MAX_SPARED = 16;
const SETTLED = Promise.resolve();

/**
 * Calls `step` once after each request, when all promises that are settled by then have run with their consequences: Node's tick queue
 * continues only after them. `queueMicrotask` would create an asynchronous resource and take three times as long (600 ns).
 */
export class AfterPromises {
  #isRequested = false;
  #begun = 0;
  #spared = 0;

  constructor(private readonly step: () => void) {}

  /** Counts a handler that begins, and returns its number. */
  begin(): number {
    return ++this.#begun;
  }

  /** Whether an ended handler was the last to begin. Then its cost is known, and the next one may begin before the requested call. */
  isSpared(number: number): boolean {
    return number === this.#begun && this.#isRequested && ++this.#spared <= MAX_SPARED;
  }

  request(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    void SETTLED.then(this.#tick);
  }

  readonly #tick = (): void => process.nextTick(this.#run);

  readonly #run = (): void => {
    this.#isRequested = false;
    this.#spared = 0;
    this.step();
  };
}
