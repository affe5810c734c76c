const SETTLED = Promise.resolve();

/**
 * Calls `step` once after each request, when all promises have run that are settled by then, and what follows from them: the tick queue
 * of Node goes on only after them. Not by `queueMicrotask`, which makes an asynchronous resource and costs three times as much (600 ns).
 */
export class AfterPromises {
  #isRequested = false;

  constructor(private readonly step: () => void) {}

  get isRequested(): boolean {
    return this.#isRequested;
  }

  request(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    void SETTLED.then(this.#tick);
  }

  readonly #tick = (): void => process.nextTick(this.#run);

  readonly #run = (): void => {
    this.#isRequested = false;
    this.step();
  };
}
