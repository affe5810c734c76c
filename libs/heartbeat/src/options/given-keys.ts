import { isPlainObject } from '../base/freeze-deeply.js';
import { DEFAULTS, type HeartbeatOptions } from './heartbeat.options.js';

/** The dotted key and the value of every option: groups are walked as the defaults have them. */
export function optionEntries(options: object): (readonly [string, unknown])[] {
  return entriesOf(DEFAULTS, options, []);
}

/** The dotted keys of the options that were passed. */
export function givenKeys(given: HeartbeatOptions = {}): ReadonlySet<string> {
  return new Set(optionEntries(given).flatMap(([key, value]) => (value === undefined ? [] : [key])));
}

function entriesOf(standard: object, options: unknown, above: readonly string[]): (readonly [string, unknown])[] {
  return Object.entries(standard).flatMap(([key, value]: [string, unknown]) => {
    const own: unknown = (options as Record<string, unknown> | undefined)?.[key];
    const path = [...above, key];
    return isPlainObject(value) ? entriesOf(value, own, path) : [[path.join('.'), own] as const];
  });
}
