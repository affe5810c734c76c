import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { SharedIndex } from './shared-index.js';

describe('SharedIndex', () => {
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

  it('is empty at first', () => {
    const index = new SharedIndex();
    expect([index.size, index.count('x'), index.get('x'), [...index.entries()]]).toEqual([0, 0, [], []]);
  });

  it('contains one item, then many under a key, in the order of their addition', () => {
    const index = new SharedIndex();
    for (const item of [a, b, c]) index.add('x', item);
    expect(index.get('x')).toEqual([a, b, c]);
    expect([index.count('x'), index.size]).toEqual([3, 3]);
  });

  it('contains each item once under a key', () => {
    const index = new SharedIndex();
    for (const item of [a, a, b, b]) index.add('x', item);
    expect([index.get('x'), index.size]).toEqual([[a, b], 2]);
  });

  it('removes the given item, and no other under the same key', () => {
    const index = new SharedIndex();
    index.add('x', a);
    expect(index.remove('x', b)).toBe(false);
    expect(index.remove('y', a)).toBe(false);
    expect(index.get('x')).toEqual([a]);
    expect(index.remove('x', a)).toBe(true);
    expect(index.remove('x', a)).toBe(false);
  });

  it('returns a list that later changes do not affect', () => {
    const index = new SharedIndex();
    index.add('x', a);
    index.add('x', b);
    const before = index.get('x');
    index.remove('x', a);
    expect(before).toEqual([a, b]);
  });

  it.each(['__proto__', 'constructor', 'toString', ''])('treats the key %p like any other', key => {
    const index = new SharedIndex();
    expect(index.has(key, a)).toBe(false);
    index.add(key, a);
    expect([index.has(key, a), index.get(key)]).toEqual([true, [a]]);
  });

  it('agrees with a map of sets', () => {
    const operation = fc.record({
      add: fc.boolean(),
      key: fc.constantFrom('x', 'y', 'z'),
      item: fc.constantFrom(a, b, c),
    });
    fc.assert(
      fc.property(fc.array(operation), operations => {
        const index = new SharedIndex<{ name: string }>();
        const model = new Map(['x', 'y', 'z'].map(key => [key, new Set<{ name: string }>()]));
        for (const { add, key, item } of operations) {
          const items = model.get(key)!;
          const changed = add ? index.add(key, item) : index.remove(key, item);
          expect(changed).toBe(items.has(item) !== add);
          if (add) items.add(item);
          else items.delete(item);
        }
        for (const [key, items] of model) {
          expect(index.count(key)).toBe(items.size);
          expect(new Set(index.get(key))).toEqual(items);
          for (const item of [a, b, c]) expect(index.has(key, item)).toBe(items.has(item));
        }
        const entries = [...model].flatMap(([key, items]) => [...items].map(({ name }) => key + name));
        expect([...index.entries()].map(([key, { name }]) => key + name).toSorted()).toEqual(entries.toSorted());
        expect(index.size).toBe(entries.length);
      }),
    );
  });
});
