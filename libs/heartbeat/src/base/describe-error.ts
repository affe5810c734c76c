import { inspect } from 'node:util';

import { printable } from './printable.js';

/** Error texts of peers are short; ten frames of a stack fit. */
const MAX_STACK = 8000;
const FRAME = /^ {4}at \S/;
const UNKNOWN = 'an error that cannot be shown';

/** A thrown value on one line: name, message and cause of an error, without the stack. Application code may throw any value. */
export function errorText(thrown: unknown): string {
  try {
    const text = headOf(thrown);
    const { cause } = Object(thrown) as { readonly cause?: unknown };
    return text !== null && cause !== undefined
      ? printable(`${text} (cause: ${headOf(cause) ?? shown(cause)})`)
      : printable(text ?? shown(thrown));
  } catch {
    return UNKNOWN;
  }
}

/**
 * A thrown value with its stack. Error messages often repeat input of a client (`JSON.parse`, JWT libraries). So only frames of the stack
 * begin a new line; all other text is escaped.
 */
export function describeError(thrown: unknown): string {
  try {
    const { stack, message } = Object(thrown) as { readonly stack?: unknown; readonly message?: unknown };
    return typeof stack === 'string' ? stackLines(stack, message) : printable(shown(thrown), MAX_STACK);
  } catch {
    return UNKNOWN;
  }
}

/** `TypeError: message`; null for a value that is not an error. */
function headOf(thrown: unknown): string | null {
  const { name, message } = Object(thrown) as { readonly name?: unknown; readonly message?: unknown };
  if (typeof message !== 'string') return null;
  return typeof name === 'string' && name !== '' ? `${name}: ${message}` : message;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { depth: 2, breakLength: Infinity });
}

function stackLines(stack: string, message: unknown): string {
  const known = typeof message === 'string' ? message : '';
  const at = stack.indexOf(`${known}\n    at `);
  const headEnd = at === -1 ? stack.length : at + known.length;
  const frames = stack.slice(headEnd).split('\n').slice(1);
  const firstOther = frames.findIndex(line => !FRAME.test(line));
  const kept = firstOther === -1 ? frames : frames.slice(0, firstOther);
  const rest = firstOther === -1 ? [] : [frames.slice(firstOther).join('\n')];
  const lines = [stack.slice(0, headEnd), ...kept.map(line => line.slice(4)), ...rest].map(line => printable(line));
  return [lines[0], ...lines.slice(1).map(line => `    ${line}`)].join('\n').slice(0, MAX_STACK);
}
