import { z } from 'zod';

import { checkedFilter, type ConnectionFilter } from './connection-filter.js';

/**
 * Labels are sent as a list of keys and values. An older node rejects a list and does nothing. It would read an object without the label
 * `__proto__`, and so affect more connections than the filter selects.
 */
type Labels = readonly (readonly [key: string, value: string])[];
const labels: z.ZodType<Labels> = z.array(z.tuple([z.string(), z.string()]));

declare const encoded: unique symbol;
/** A filter that `filterOnWire` has encoded. */
export interface WireFilter {
  readonly [encoded]: true;
}

/**
 * A filter in the form for other nodes.
 * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a filter that JSON would change.
 */
export function filterOnWire(filter: ConnectionFilter): WireFilter {
  const { labels: given, ...rest } = checkedFilter(filter);
  return (given === undefined ? rest : { ...rest, labels: Object.entries(given) }) as WireFilter;
}

/** A filter of another node. Older nodes send labels as an object. */
export const filterFromWire = z.custom<WireFilter>().transform((given, context): ConnectionFilter => {
  try {
    return checkedFilter(withLabels(given));
  } catch {
    context.addIssue({ code: 'custom', message: 'is no filter' });
    return z.NEVER;
  }
});

/** Converts a list of labels into an object, including the key `__proto__`. */
function withLabels(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !Object.hasOwn(given, 'labels')) return given;
  const { data } = labels.safeParse((given as { readonly labels: unknown }).labels);
  if (data === undefined) return given;
  // One of two values for a key would be lost.
  if (new Set(data.map(([key]) => key)).size < data.length) return null;
  return { ...given, labels: Object.fromEntries(data) };
}
