import { z } from 'zod';

/**
 * Checkers for the values of options. Each message is the rule itself, so that one text covers a wrong type and a wrong
 * size.
 */

/** The longest delay of Node's timers. */
const MAX_MS = 2 ** 31 - 1;

export function whole(min: number, max: number, unit: string) {
  const rule = `must be a whole number of ${unit} from ${min} to ${max}`;
  return z.number(rule).int(rule).min(min, rule).max(max, rule);
}

export function milliseconds(min: number) {
  return whole(min, MAX_MS, 'milliseconds');
}

/** A part of a whole. */
export function share(least = 0) {
  const rule = `must be a number from ${least} to 1`;
  return z.number(rule).min(least, rule).max(1, rule);
}

export function flag() {
  return z.boolean('must be true or false');
}

export function text(max: number) {
  const rule = `must be a text of 1 to ${max} characters`;
  return z.string(rule).min(1, rule).max(max, rule);
}

export function oneOf<const Values extends readonly [string, ...string[]]>(...allowed: Values) {
  return z.enum(allowed, `must be ${allowed.map(value => JSON.stringify(value)).join(' or ')}`);
}

/** Rules for a group of options: one for each key. Any key may be left out, and no other key may be given. */
export function group<Options extends object>(rules: Readonly<Record<keyof Options, z.ZodType>>) {
  return z.strictObject(rules, 'must be an object of options').partial();
}
