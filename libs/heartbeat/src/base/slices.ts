/** How long one slice of a long loop may hold the event loop before waiting I/O has its turn, in milliseconds. */
const SLICE_MS = 0.5;
/** Items between two readings of the clock. */
const ITEMS_PER_CLOCK = 16;

/** Does `work` for each item without ever holding the event loop for long. Items may come and go meanwhile. */
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
