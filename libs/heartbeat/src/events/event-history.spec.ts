import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { NO_LABELS } from '../base/identity.js';
import { EventHistory, type KeptEvent } from './event-history.js';

const attributes = { userId: null, ip: null, path: null, transport: null, labels: NO_LABELS };
const kept = (seq: number, text = 'x'): KeptEvent => ({ seq, type: 'drift', text, attributes });
const MANY = { events: 1000, bytes: 1_000_000 };
const seqs = (history: EventHistory, after: number) => [...history.after(after)].map(({ seq }) => seq);

describe('EventHistory', () => {
  it('has the events after a number, with the gaps that other types leave', () => {
    const history = new EventHistory(4, MANY);
    for (const seq of [5, 7, 8, 12]) history.add(kept(seq));
    expect([0, 4, 5, 6, 7, 11, 12, 99].map(after => seqs(history, after))).toEqual([
      [5, 7, 8, 12],
      [5, 7, 8, 12],
      [7, 8, 12],
      [7, 8, 12],
      [8, 12],
      [12],
      [],
      [],
    ]);
    expect(history.completeFrom).toBe(4);
  });

  it('removes the oldest above its number, and is complete from the last removed one on', () => {
    const history = new EventHistory(0, { events: 3, bytes: 1_000_000 });
    for (const seq of [1, 3, 5, 7, 9]) history.add(kept(seq));
    expect([seqs(history, 0), history.completeFrom, history.size]).toEqual([[5, 7, 9], 3, 3]);
  });

  it('removes the oldest above its bytes, also an event that is larger than all bytes', () => {
    const history = new EventHistory(0, { events: 1000, bytes: 2500 });
    for (const seq of [1, 2, 3]) history.add(kept(seq, 'x'.repeat(800)));
    expect([seqs(history, 0), history.completeFrom]).toEqual([[2, 3], 1]);
    history.add(kept(4, 'x'.repeat(5000)));
    expect([seqs(history, 0), history.completeFrom]).toEqual([[], 4]);
    history.add(kept(5));
    expect(seqs(history, 0)).toEqual([5]);
  });

  it('orders an event that a subscriber caused before the event that it handled', () => {
    const history = new EventHistory(0, MANY);
    for (const seq of [1, 4, 3, 2, 5]) history.add(kept(seq));
    expect(seqs(history, 0)).toEqual([1, 2, 3, 4, 5]);
  });

  it('behaves like a list that is cut off, for any numbers and bounds', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 5000 }), { maxLength: 3000, minLength: 1 }),
        fc.integer({ min: 1, max: 1500 }),
        fc.integer({ min: 0, max: 5000 }),
        (numbers, most, after) => {
          const sorted = numbers.toSorted((one, other) => one - other);
          const history = new EventHistory(0, { events: most, bytes: Infinity });
          for (const seq of sorted) history.add(kept(seq));
          expect(seqs(history, after)).toEqual(sorted.slice(-most).filter(seq => seq > after));
          expect(history.completeFrom).toBe(sorted.at(-most - 1) ?? 0);
        },
      ),
      { numRuns: 50 },
    );
  });
});
