import { LONGEST_DEFAULT_SPREAD_MS } from '../options/drain.options.js';

/** Time that each connection adds to the spread where none is set. */
const MS_PER_CONNECTION = 10;

/**
 * The time over which a drain spreads its closes.
 * @param spreadMs The option, in milliseconds; undefined is the default, which grows with the number of connections.
 */
export function spreadOf(connections: number, spreadMs: number | undefined): number {
  return spreadMs ?? Math.min(connections * MS_PER_CONNECTION, LONGEST_DEFAULT_SPREAD_MS);
}

/**
 * The moments of a drain's closes, in milliseconds from the first possible one, ascending. Each connection has its own slot and a random
 * moment within it. So the closes are evenly paced, and synchronous with nothing else.
 */
export function planCloses(connections: number, spreadMs: number, random: () => number = Math.random): Float64Array {
  const slot = spreadMs / connections;
  return Float64Array.from({ length: connections }, (_, index) => (index + random()) * slot);
}

/** The items in random order (Fisher and Yates), so that no moment depends on a value that a client can choose. */
export function shuffled<Item>(items: Iterable<Item>, random: () => number = Math.random): Item[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
