import { describe, expect, it } from '@jest/globals';

import type { Connection } from '../connection/connection.js';
import { LiveBytes } from './live-bytes.js';

interface Fake {
  bytesIn: number;
  bytesOut: number;
}

/** The books: who is in them, and how one leaves. */
function books(...living: Fake[]) {
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
  it('sums the living and the dead', async () => {
    const first = { bytesIn: 10, bytesOut: 1 };
    const { bytes, close } = books(first, { bytesIn: 20, bytesOut: 2 });
    expect(await bytes.read()).toEqual({ in: 30, out: 3 });
    close(first);
    expect(await bytes.read()).toEqual({ in: 30, out: 3 });
  });

  it('counts once who closes while it reads, and those that were not read yet', async () => {
    // Reading each takes a while, so that the reading has several slices.
    const slow = {
      get bytesIn() {
        const end = performance.now() + 1;
        while (performance.now() < end);
        return 1;
      },
      bytesOut: 1,
    } as Fake;
    const crowd = Array.from({ length: 64 }, () => Object.create(slow) as Fake);
    const { bytes, close, set } = books(...crowd);
    const reading = bytes.read();
    close(crowd[0]!);
    close(crowd.at(-1)!);
    set.add({ bytesIn: 1000, bytesOut: 1000 });
    expect(await reading).toEqual({ in: 64, out: 64 });
    expect(await bytes.read()).toEqual({ in: 1064, out: 1064 });
  });

  it('never goes down, whoever has grown or closed between two readings', async () => {
    const crowd = Array.from({ length: 8 }, (_, index) => ({ bytesIn: index, bytesOut: index }));
    const { bytes, close } = books(...crowd);
    const sums: number[] = [];
    for (const one of crowd) {
      one.bytesOut += 5;
      const reading = bytes.read();
      close(one);
      sums.push((await reading).out, (await bytes.read()).out);
    }
    expect(sums).toEqual(sums.toSorted((one, other) => one - other));
    expect(sums.at(-1)).toBe(28 + 8 * 5);
  });

  it('reads once for scrapes at the same time, and anew for the next', async () => {
    const one = { bytesIn: 1, bytesOut: 1 };
    const { bytes } = books(one);
    const first = bytes.read();
    expect(bytes.read()).toBe(first);
    await first;
    one.bytesIn = 2;
    expect(await bytes.read()).toEqual({ in: 2, out: 1 });
  });
});
