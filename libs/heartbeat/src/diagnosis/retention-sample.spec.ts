import { describe, expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { type Ended, RetentionSample } from './retention-sample.js';

interface Item extends Ended {
  ended: boolean;
}

/** A sample whose garbage collections the test controls. */
function aSample(capacity = 10, random = Math.random) {
  const probes: { alive: boolean }[] = [];
  const makeProbe = () => {
    const probe = { alive: true };
    probes.push(probe);
    return { deref: () => (probe.alive ? {} : undefined) } as WeakRef<object>;
  };
  const sample = new RetentionSample<Item>(capacity, makeProbe, random);
  const collect = () => void (probes.at(-1)!.alive = false);
  /** Simulates this many collections, with a check after each. */
  const heldAfter = (collections: number) => {
    let held = sample.check();
    for (let i = 0; i < collections; i++) {
      collect();
      held = sample.check();
    }
    return held;
  };
  return { sample, heldAfter };
}

const items = (count: number): Item[] => Array.from({ length: count }, () => ({ ended: false }));

describe('RetentionSample', () => {
  it('counts objects that have ended and are held after several collections', () => {
    const { sample, heldAfter } = aSample();
    const all = items(4);
    sample.refill(all);
    all[0]!.ended = all[1]!.ended = true;
    expect(heldAfter(2)).toBe(0);
    expect(heldAfter(1)).toBe(2);
  });

  it('counts nothing without a garbage collection, regardless of the number of checks', () => {
    const { sample, heldAfter } = aSample();
    const all = items(4);
    sample.refill(all);
    for (const item of all) item.ended = true;
    for (let i = 0; i < 100; i++) expect(heldAfter(0)).toBe(0);
  });

  it('counts no object that has not ended, regardless of collections', () => {
    const { sample, heldAfter } = aSample();
    const all = items(4);
    sample.refill(all);
    expect(heldAfter(20)).toBe(0);
  });

  it('counts from the end, not from the beginning', () => {
    const { sample, heldAfter } = aSample();
    const all = items(1);
    sample.refill(all);
    heldAfter(10);
    all[0]!.ended = true;
    expect(heldAfter(2)).toBe(0);
  });

  it('respects its capacity, and contains no object twice', () => {
    const { sample } = aSample(10);
    const all = items(8);
    sample.refill(all);
    sample.refill(all);
    expect(sample.size).toBe(8);
    sample.refill([...all, ...items(100)]);
    expect(sample.size).toBe(10);
    sample.refill(items(5));
    expect(sample.size).toBe(10);
  });

  it.each([
    ['the first', () => 0.999, 0],
    ['the last', () => 0, 9],
  ])('may choose any object, such as %s', (_which, random, place) => {
    const { sample, heldAfter } = aSample(1, random);
    const all = items(10);
    sample.refill(all);
    all[place]!.ended = true;
    expect(heldAfter(3)).toBe(1);
  });

  it('holds no object itself, and detects a real collection', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const sample = new RetentionSample<Item>(10);
    const kept: Item = { ended: false };
    sample.refill([kept, ...items(3)]);
    kept.ended = true;
    for (let check = 0; check < 4; check++) {
      await new Promise(resolve => setImmediate(resolve));
      collect();
      expect(sample.check()).toBe(check < 3 ? 0 : 1);
    }
    expect(sample.size).toBe(1);
    expect(kept.ended).toBe(true);
  });
});
