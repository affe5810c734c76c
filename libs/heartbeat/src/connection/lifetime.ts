import { setMaxListeners } from 'node:events';

import { Subscription } from 'rxjs';

/** Number of listeners of a signal above which Node warns of a leak. Each handler in flight may have one. */
const MOST_LISTENERS = 100;

/**
 * Resources of application code that are released at the end of a connection. Created at the first use, since most connections have none.
 */
export class Lifetime {
  readonly #controller = new AbortController();
  readonly #disposers: (() => unknown)[] = [];
  readonly #streams = new Subscription();
  #living = 0;

  constructor() {
    setMaxListeners(MOST_LISTENERS, this.#controller.signal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get disposers(): number {
    return this.#disposers.length;
  }

  defer(disposer: () => unknown): void {
    this.#disposers.push(disposer);
  }

  /** The number of streams of answers that have not ended. */
  get streams(): number {
    return this.#living;
  }

  hold(stream: Subscription): void {
    this.#living++;
    this.#streams.add(stream);
    stream.add(() => this.#living--);
  }

  /** Ends the streams, runs the disposers, the last deferred first, then fires the signal. No failure stops the rest. */
  end(reason: Error, failed: (what: string, error: unknown) => void): void {
    guarded(() => this.#streams.unsubscribe(), 'the end of a stream of answers', failed);
    for (const disposer of this.#disposers.splice(0).toReversed()) guarded(disposer, 'a disposer', failed);
    this.#controller.abort(reason);
  }
}

/** Runs application code that may throw or reject, and reports the error instead of throwing it. */
export function guarded(work: () => unknown, what: string, failed: (what: string, error: unknown) => void): void {
  const report = (error: unknown) => failed(what, error);
  try {
    const result = work();
    if (isThenable(result)) result.then(undefined, report);
  } catch (error) {
    report(error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}
