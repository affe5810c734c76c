import { describe, expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { type Ended, RetentionSample } from './retention-sample.js';

interface Item extends Ended {
  ended: boolean;
}

/** A sample whose garbage is collected when the test says so. */
function aSample(capacity = 10, random = Math.random) {
  const canaries: { alive: boolean }[] = [];
  const makeProbe = () => {
    const canary = { alive: true };
    canaries.push(canary);
    return { deref: () => (canary.alive ? {} : undefined) } as WeakRef<object>;
  };
  const sample = new RetentionSample<Item>(capacity, makeProbe, random);
  const collect = () => void (canaries.at(-1)!.alive = false);
  /** So many collections, each noticed by a look. */
  const lookAfter = (collections: number) => {
    let held = sample.look();
    for (let i = 0; i < collections; i++) {
      collect();
      held = sample.look();
    }
    return held;
  };
  return { sample, lookAfter };
}

const items = (count: number): Item[] => Array.from({ length: count }, () => ({ ended: false }));

describe('RetentionSample', () => {
  it('counts what has ended and is held after several collections', () => {
    const { sample, lookAfter } = aSample();
    const all = items(4);
    sample.refill(all);
    all[0]!.ended = all[1]!.ended = true;
    expect(lookAfter(2)).toBe(0);
    expect(lookAfter(1)).toBe(2);
  });

  it('counts nothing while no garbage was collected, however often it looks', () => {
    const { sample, lookAfter } = aSample();
    const all = items(4);
    sample.refill(all);
    for (const item of all) item.ended = true;
    for (let i = 0; i < 100; i++) expect(lookAfter(0)).toBe(0);
  });

  it('counts no one who lives, whatever was collected', () => {
    const { sample, lookAfter } = aSample();
    const all = items(4);
    sample.refill(all);
    expect(lookAfter(20)).toBe(0);
  });

  it('counts from the end, not from the beginning', () => {
    const { sample, lookAfter } = aSample();
    const all = items(1);
    sample.refill(all);
    lookAfter(10);
    all[0]!.ended = true;
    expect(lookAfter(2)).toBe(0);
  });

  it('takes no more than it may, and no one twice', () => {
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
  ])('may choose any of them, such as %s', (_which, random, place) => {
    const { sample, lookAfter } = aSample(1, random);
    const all = items(10);
    sample.refill(all);
    all[place]!.ended = true;
    expect(lookAfter(3)).toBe(1);
  });

  it('holds nobody itself, and notices a real collection', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const sample = new RetentionSample<Item>(10);
    const kept: Item = { ended: false };
    sample.refill([kept, ...items(3)]);
    kept.ended = true;
    for (let look = 0; look < 4; look++) {
      await new Promise(resolve => setImmediate(resolve));
      collect();
      expect(sample.look()).toBe(look < 3 ? 0 : 1);
    }
    expect(sample.size).toBe(1);
    expect(kept.ended).toBe(true);
  });
});
