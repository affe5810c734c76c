/**
 * A promise for application code that may not await it: its rejection ends no process, and an application that awaits it gets the
 * rejection as ever.
 */
export function handled<Result extends Promise<unknown>>(promise: Result): Result {
  promise.catch(() => undefined);
  return promise;
}

/** For a public method that returns a promise: {@link handled}. */
export function Handled() {
  return <Given extends unknown[], Result extends Promise<unknown>>(
    _target: object,
    _name: string | symbol,
    descriptor: TypedPropertyDescriptor<(...given: Given) => Result>,
  ): void => {
    const method = descriptor.value!;
    descriptor.value = function (this: unknown, ...given: Given): Result {
      return handled(method.apply(this, given));
    };
  };
}
