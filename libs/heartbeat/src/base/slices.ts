/** Maximum time that one slice of a long loop holds the event loop before pending I/O is handled, in milliseconds. */
const SLICE_MS = 0.5;
/** Items between two readings of the clock. */
const ITEMS_PER_CLOCK = 16;

/** Calls `work` for each item, and lets the event loop run between slices. Items may be added and removed meanwhile. */
export async function inSlices<Item>(items: Iterable<Item>, work: (item: Item) => void): Promise<void> {
  let end = performance.now() + SLICE_MS;
  let done = 0;
  for (const item of items) {
    work(item);
    if (++done % ITEMS_PER_CLOCK !== 0 || performance.now() < end) continue;
    await new Promise(resolve => setImmediate(resolve));
    end = performance.now() + SLICE_MS;
  }
}

/** The items up to the first before which `isDone` returns true. */
export function* until<Item>(items: Iterable<Item>, isDone: () => boolean): Iterable<Item> {
  for (const item of items) {
    if (isDone()) return;
    yield item;
  }
}
