/**
 * Marks a promise as handled for application code that may not await it. Its rejection does not end the process. An application that awaits
 * it still gets the rejection.
 */
export function handled<Result extends Promise<unknown>>(promise: Result): Result {
  promise.catch(() => undefined);
  return promise;
}

/** Applies {@link handled} to a public method that returns a promise. */
export function Handled() {
  return <Method extends (...given: never[]) => Promise<unknown>>(
    _target: object,
    _name: string | symbol,
    descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    const method = descriptor.value!;
    descriptor.value = function (this: unknown, ...given: never[]): Promise<unknown> {
      return handled(method.apply(this, given));
    } as Method;
  };
}
