import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { inSlices } from './slices.js';

/** Makes each reading of the clock `stepMs` later than the last one. */
function clockThatStepsBy(stepMs: number): void {
  let time = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => (time += stepMs));
}

/** Counts the turns of the event loop while `work` ran. */
async function turnsDuring(work: Promise<void>): Promise<number> {
  let turns = 0;
  let done = false;
  const count = () => {
    turns++;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  await work;
  done = true;
  return turns;
}

describe('inSlices', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('calls the work for each item, in order', async () => {
    const seen: number[] = [];
    await inSlices([3, 1, 2], item => seen.push(item));
    expect(seen).toEqual([3, 1, 2]);
  });

  it('does nothing for an empty collection', async () => {
    const work = jest.fn();
    await inSlices([], work);
    expect(work).not.toHaveBeenCalled();
  });

  it('lets the event loop run between slices of long work', async () => {
    clockThatStepsBy(10);
    const turns = await turnsDuring(inSlices(Array.from({ length: 160 }), () => undefined));
    expect(turns).toBeGreaterThanOrEqual(9);
  });

  it('takes no turn for short work', async () => {
    clockThatStepsBy(0);
    let others = 0;
    setImmediate(() => others++);
    await inSlices(Array.from({ length: 10_000 }), () => undefined);
    expect(others).toBe(0);
  });

  it('continues over a collection that changes meanwhile', async () => {
    clockThatStepsBy(10);
    const items = new Map(Array.from({ length: 100 }, (_, index) => [index, index]));
    const seen: number[] = [];
    setImmediate(() => {
      items.delete(99);
      items.set(1000, 1000);
    });
    await inSlices(items.values(), item => seen.push(item));
    expect(seen).toEqual([...Array.from({ length: 99 }, (_, index) => index), 1000]);
  });

  it('rejects with the error of the work, and stops', async () => {
    const seen: number[] = [];
    const work = inSlices([1, 2, 3], item => {
      seen.push(item);
      if (item === 2) throw new Error('boom');
    });
    await expect(work).rejects.toThrow('boom');
    expect(seen).toEqual([1, 2]);
  });
});
