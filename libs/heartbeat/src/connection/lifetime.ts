import { setMaxListeners } from 'node:events';

import { Subscription } from 'rxjs';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { Leases } from './busy-lease.js';

/** Number of listeners of a signal above which Node warns of a leak. Each handler in flight may have one. */
const MOST_LISTENERS = 100;

/**
 * What application code holds of a connection, or has it hold: signals, leases, and resources that are released at the end. Created at the
 * first use, since most connections have none, and so is each of its parts.
 */
export class Lifetime {
  #controller: AbortController | null = null;
  #end: Error | null = null;
  #draining: AbortController | null = null;
  #isReached = false;
  #streams: Subscription | null = null;
  #living = 0;
  #leases: Leases | null = null;
  readonly #disposers: (() => unknown)[] = [];

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = createController();
      if (this.#end !== null) this.#controller.abort(this.#end);
    }
    return this.#controller.signal;
  }

  /** Aborts when a drain reaches the connection. */
  get draining(): AbortSignal {
    if (this.#draining === null) {
      this.#draining = createController();
      if (this.#isReached) this.#draining.abort(drainingError());
    }
    return this.#draining.signal;
  }

  /** A drain has reached the connection. */
  reached(): void {
    this.#isReached = true;
    this.#draining?.abort(drainingError());
  }

  /** The drain was aborted; the next one has a signal of its own. */
  resumed(): void {
    this.#isReached = false;
    this.#draining = null;
  }

  /** Null without any. */
  get leases(): Leases | null {
    return this.#leases;
  }

  leasesToTake(): Leases {
    return (this.#leases ??= new Leases());
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
    (this.#streams ??= new Subscription()).add(stream);
    stream.add(() => this.#living--);
  }

  /**
   * Ends the streams, runs the disposers, the last deferred first, then fires the signal. No failure stops the rest.
   */
  end(reason: Error, results: DisposerResults): void {
    guarded(() => this.#streams?.unsubscribe(), 'the end of a stream of answers', results.failed);
    for (const disposer of this.#disposers.splice(0).toReversed()) dispose(disposer, results);
    this.#end = reason;
    this.#controller?.abort(reason);
  }
}

/** Receives what the disposers of a connection leave behind. */
export interface DisposerResults {
  readonly failed: Failed;
  /** The end of a disposer's promise; it never rejects. */
  readonly pending: (promise: Promise<void>) => void;
}

/** Runs a disposer now. */
export function dispose(disposer: () => unknown, { failed, pending }: DisposerResults): void {
  guarded(disposer, 'a disposer', failed, pending);
}

/** Receives the error of application code, and a name for that code. */
type Failed = (what: string, error: unknown) => void;

/**
 * Runs application code that may throw or reject, and reports the error instead of throwing it.
 * @param pending Receives the end of a promise, which never rejects.
 */
export function guarded(
  work: () => unknown,
  what: string,
  failed: Failed,
  pending?: (promise: Promise<void>) => void,
): void {
  const report = (error: unknown) => failed(what, error);
  try {
    const result = work();
    if (!isThenable(result)) return;
    const ended = Promise.resolve(result).then(ignore, report);
    pending?.(ended);
  } catch (error) {
    report(error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

function ignore(): void {}

function createController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(MOST_LISTENERS, controller.signal);
  return controller;
}

function drainingError(): HeartbeatError {
  return new HeartbeatError('HEARTBEAT_DRAINING', 'the server drains: this connection is closed when its work is done');
}
