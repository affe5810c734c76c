import { isIP } from 'node:net';

import { z } from 'zod';

import { UNIX_PEER } from '../base/network-address.js';

/**
 * A query parameter: given once and not empty, parsed from its text, then validated by `schema`, whose messages are the rules themselves
 * (`must be …`). OpenAPI shows `schema`.
 */
export function parameter<Schema extends z.ZodType>(schema: Schema, parse: (text: string) => unknown = text => text) {
  return z.preprocess((value, context) => {
    // A global pipe of the application may have converted the text into a number or a boolean.
    const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
    if (typeof text === 'string' && text !== '') return parse(text);
    const message = Array.isArray(value)
      ? 'must be given only once'
      : 'must not be empty: give a value, or leave it out';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }, schema);
}

/** `node=`: the selected node. */
export function nodeParameter() {
  return parameter(z.string())
    .optional()
    .meta({ description: 'The id or the name of a node. Default: the queried node.' });
}

/** The query of a route whose only parameter is `node`. */
export const nodeQuery = parameters({ node: nodeParameter() }).transform(markRead);

/** The value of a missing parameter. The description repeats it, since zod omits it from the schema for OpenAPI. */
export function withDefault<Schema extends z.ZodType>(
  schema: Schema,
  standard: z.core.util.NoUndefined<z.output<Schema>>,
  description: string,
) {
  return schema.default(standard).meta({ description: `${description} Default: \`${String(standard)}\`.` });
}

export function wholeNumber(min: number, max?: number) {
  const rule = `must be a whole number from ${min}${max === undefined ? '' : ` to ${max}`}`;
  const schema = z.number(rule).int(rule).min(min, rule);
  return parameter(max === undefined ? schema : schema.max(max, rule), text =>
    /^\d+$/.test(text) ? Number(text) : text,
  );
}

/** A time in ISO 8601 with its offset. The schema returns its text; a local time would depend on the server. */
export function time() {
  const rule = 'must be a time in ISO 8601 with its offset, such as 2026-01-31T12:00:00Z';
  return parameter(z.iso.datetime({ offset: true, error: rule }));
}

export function trueOrFalse() {
  return parameter(z.boolean('must be true or false'), text => ({ true: true, false: false })[text] ?? text);
}

export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return parameter(z.enum(words, `must be one of ${words.join(', ')}`));
}

/** The parameters of a route. An unknown parameter is an error that lists the known ones. */
export function parameters<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, { error: () => `is no parameter of this route, which takes ${known}` });
}

const read = new WeakSet<object>();

/** Marks the output of a route's schema. A global pipe of the application validates by the same schemas before the library's pipe. */
export function markRead<Parsed extends object>(parsed: Parsed): Parsed {
  read.add(parsed);
  return parsed;
}

export function isRead(value: unknown): boolean {
  return typeof value === 'object' && value !== null && read.has(value);
}

/** Whether `text` is an address, a CIDR whose prefix length fits the address, or `unix:` for clients of a Unix socket. */
export function isAddressOrCidr(text: string): boolean {
  if (text === UNIX_PEER) return true;
  const [address = '', prefix, ...rest] = text.split('/');
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}
