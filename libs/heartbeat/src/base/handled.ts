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
