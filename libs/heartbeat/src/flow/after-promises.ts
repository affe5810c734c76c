/** Waits that may be spared in a row: a handler may leave promises behind that cost time after it has ended. */
const MAX_SPARED = 16;
const SETTLED = Promise.resolve();

/**
 * Calls `step` once after each request, when all promises have run that are settled by then, and what follows from them: the tick queue
 * of Node goes on only after them. Not by `queueMicrotask`, which makes an asynchronous resource and costs three times as much (600 ns).
 */
export class AfterPromises {
  #isRequested = false;
  #begun = 0;
  #spared = 0;

  constructor(private readonly step: () => void) {}

  /** Counts a handler that begins; returns its number. */
  begin(): number {
    return ++this.#begun;
  }

  /** Whether a handler that has ended was the last to begin, so that its cost is known and the next may begin before the requested call. */
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
