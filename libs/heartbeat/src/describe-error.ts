import { inspect } from 'node:util';

/** Whatever was thrown, as text for the log: user code throws anything, also what cannot be made a string. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error, { depth: 2, breakLength: Infinity });
}
