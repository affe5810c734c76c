import { Observable, type Observer, type Operator, Subscriber, type Subscription } from 'rxjs';

/** Reports what a subscriber threw. */
export type Report = (error: unknown) => void;

/** The kinds of subscribers that RxJS accepts. */
type Given<Value> = Partial<Observer<Value>> | ((value: Value) => void) | null;

/**
 * An observable whose subscribers cannot end the process. RxJS turns an error that a subscriber throws, and an operator's error that no
 * subscriber handles, into an uncaught exception. Here both are reported. Each operator calls `lift`, so the observables that operators
 * create are guarded as well.
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

  /** @deprecated Only RxJS operators call this. */
  override lift<Result>(operator?: Operator<Value, Result>): Observable<Result> {
    return new GuardedObservable<Result>(this, this.report, operator);
  }

  override subscribe(given?: Given<Value>, error?: Report | null, complete?: (() => void) | null): Subscription {
    // An operator's subscriber passes errors on to the next one.
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

  /** A subscriber may also return a promise. */
  #guard(work: () => unknown): void {
    try {
      const result = work();
      if (result instanceof Promise) result.catch(this.report);
    } catch (error) {
      this.report(error);
    }
  }
}
