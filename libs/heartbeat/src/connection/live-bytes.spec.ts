import { describe, expect, it } from '@jest/globals';

import type { Connection } from './connection.js';
import { LiveBytes } from './live-bytes.js';

interface Fake {
  bytesIn: number;
  bytesOut: number;
}

/** The open connections, the totals of the closed ones, and how one closes. */
function world(...living: Fake[]) {
  const set = new Set(living);
  const totals = { bytesIn: 0, bytesOut: 0 };
  const bytes = new LiveBytes({ all: () => set.values() as unknown as IterableIterator<Connection> }, totals);
  const close = (connection: Fake) => {
    set.delete(connection);
    totals.bytesIn += connection.bytesIn;
    totals.bytesOut += connection.bytesOut;
  };
  return { set, bytes, close };
}

describe('LiveBytes', () => {
  it('sums open and closed connections', async () => {
    const first = { bytesIn: 10, bytesOut: 1 };
    const { bytes, close } = world(first, { bytesIn: 20, bytesOut: 2 });
    expect(await bytes.read()).toEqual({ in: 30, out: 3 });
    close(first);
    expect(await bytes.read()).toEqual({ in: 30, out: 3 });
  });

  it('counts once a connection that closes during a reading, already read or not', async () => {
    // Reading each takes 1 ms, so that the reading has several slices.
    const slow = {
      get bytesIn() {
        const end = performance.now() + 1;
        while (performance.now() < end);
        return 1;
      },
      bytesOut: 1,
    } as Fake;
    const connections = Array.from({ length: 64 }, () => Object.create(slow) as Fake);
    const { bytes, close, set } = world(...connections);
    const reading = bytes.read();
    close(connections[0]!);
    close(connections.at(-1)!);
    set.add({ bytesIn: 1000, bytesOut: 1000 });
    expect(await reading).toEqual({ in: 64, out: 64 });
    expect(await bytes.read()).toEqual({ in: 1064, out: 1064 });
  });

  it('never decreases, though connections send and close between two readings', async () => {
    const connections = Array.from({ length: 8 }, (_, index) => ({ bytesIn: index, bytesOut: index }));
    const { bytes, close } = world(...connections);
    const sums: number[] = [];
    for (const one of connections) {
      one.bytesOut += 5;
      const reading = bytes.read();
      close(one);
      sums.push((await reading).out, (await bytes.read()).out);
    }
    expect(sums).toEqual(sums.toSorted((one, other) => one - other));
    expect(sums.at(-1)).toBe(28 + 8 * 5);
  });

  it('reads once for simultaneous scrapes, and again for the next', async () => {
    const one = { bytesIn: 1, bytesOut: 1 };
    const { bytes } = world(one);
    const first = bytes.read();
    expect(bytes.read()).toBe(first);
    await first;
    one.bytesIn = 2;
    expect(await bytes.read()).toEqual({ in: 2, out: 1 });
  });
});
