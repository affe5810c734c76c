import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { FrequentKeys } from './frequent-keys.js';
import { PART_MS, RecentKeys } from './recent-keys.js';

describe('FrequentKeys', () => {
  it('counts exactly while there are few keys', () => {
    const keys = new FrequentKeys();
    for (const key of ['a', 'b', 'a']) keys.add(key);
    expect([Object.fromEntries(keys.entries()), keys.missing]).toEqual([{ a: 2, b: 1 }, 0]);
  });

  it('never counts too much, nor too little by more than it states, and keeps a bounded number of keys', () => {
    const numbers = fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 20 })), {
      minLength: 500,
      maxLength: 3000,
    });
    fc.assert(
      fc.property(numbers, all => {
        const keys = new FrequentKeys();
        const exact = new Map<string, number>();
        let total = 0;
        for (const [number, times] of all) {
          const key = `k${number}`;
          exact.set(key, (exact.get(key) ?? 0) + times);
          total += times;
          for (let turn = 0; turn < times; turn++) keys.add(key);
        }
        const counts = new Map(keys.entries());
        expect(counts.size).toBeLessThan(1000);
        expect(keys.missing).toBeLessThanOrEqual(total / 500);
        for (const [key, count] of exact) {
          const found = counts.get(key) ?? 0;
          expect(found).toBeLessThanOrEqual(count);
          expect(found).toBeGreaterThanOrEqual(count - keys.missing);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('finds the one client of an attack that comes from a million addresses', () => {
    const keys = new FrequentKeys();
    for (let turn = 0; turn < 1_000_000; turn++) {
      keys.add(`10.${turn}`);
      if (turn % 100 === 0) keys.add('192.0.2.1');
    }
    const [[first] = []] = [...keys.entries()].toSorted(([, one], [, other]) => other - one);
    expect(first).toBe('192.0.2.1');
  });

  it('does not count a key that is longer than any address and any usual id', () => {
    const keys = new FrequentKeys();
    keys.add('x'.repeat(257));
    expect([...keys.entries()]).toEqual([]);
  });
});

describe('RecentKeys', () => {
  it('forgets what is older than 15 minutes, and states the time that it covers', () => {
    const keys = new RecentKeys();
    keys.add('old', 0);
    keys.add('new', PART_MS);
    expect(Object.fromEntries(keys.read(2 * PART_MS).counts)).toEqual({ old: 1, new: 1 });
    expect(keys.read(2 * PART_MS).windowMs).toBe(2 * PART_MS);
    expect(Object.fromEntries(keys.read(3 * PART_MS).counts)).toEqual({ new: 1 });
    expect(keys.read(3 * PART_MS).windowMs).toBe(2 * PART_MS);
    expect(keys.read(4 * PART_MS - 1).windowMs).toBe(3 * PART_MS - 1);
    expect(keys.read(4 * PART_MS).counts.size).toBe(0);
  });

  it('begins anew after a long rest', () => {
    const keys = new RecentKeys();
    keys.add('old', 0);
    const now = 1e9 + 1;
    expect(keys.read(now)).toMatchObject({ windowMs: 2 * PART_MS, missing: 0 });
    keys.add('new', now + 10);
    expect(Object.fromEntries(keys.read(now + 20).counts)).toEqual({ new: 1 });
  });
});
