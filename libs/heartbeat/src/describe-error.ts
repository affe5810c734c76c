import { inspect } from 'node:util';

/** Whatever was thrown, as text for the log: user code throws anything, also what cannot be shown. */
export function describeError(error: unknown): string {
  try {
    const { stack } = Object(error) as { readonly stack?: unknown };
    return typeof stack === 'string' ? stack : inspect(error, { depth: 2, breakLength: Infinity });
  } catch {
    return 'an error that cannot be shown';
  }
}
