import { Observable, type Observer, type Operator, Subscriber, type Subscription } from 'rxjs';

/** Reports what a subscriber threw. */
export type Report = (error: unknown) => void;

/** What RxJS takes as a subscriber. */
type Given<Value> = Partial<Observer<Value>> | ((value: Value) => void) | null;

/**
 * An observable whose subscribers cannot end the process: RxJS makes an uncaught exception of what a subscriber throws, and of an
 * error of an operator that no subscriber handles. Here both are reported. What operators make of it is guarded as well, whatever
 * their time (`lift` is called by each of them).
 */
export class GuardedObservable<Value> extends Observable<Value> {
  constructor(
    of: Observable<unknown>,
    private readonly report: Report,
    operator?: Operator<unknown, Value>,
  ) {
    super();
    this.source = of;
    this.operator = operator;
  }

  /** @deprecated Called by RxJS' operators only. */
  override lift<Result>(operator?: Operator<Value, Result>): Observable<Result> {
    return new GuardedObservable<Result>(this, this.report, operator);
  }

  override subscribe(given?: Given<Value>, error?: Report | null, complete?: (() => void) | null): Subscription {
    // That of an operator, which passes errors on to the one below.
    if (given instanceof Subscriber) return super.subscribe(given as Partial<Observer<Value>>);
    const observer: Partial<Observer<Value>> =
      typeof given === 'object' && given !== null
        ? given
        : { ...(given && { next: given }), ...(error && { error }), ...(complete && { complete }) };
    return super.subscribe({
      next: value => this.#guard(() => observer.next?.(value)),
      error: (cause: unknown) => (observer.error ? this.#guard(() => observer.error?.(cause)) : this.report(cause)),
      complete: () => this.#guard(() => observer.complete?.()),
    });
  }

  /** A subscriber may be asynchronous as well. */
  #guard(work: () => unknown): void {
    try {
      const result = work();
      if (result instanceof Promise) result.catch(this.report);
    } catch (error) {
      this.report(error);
    }
  }
}
