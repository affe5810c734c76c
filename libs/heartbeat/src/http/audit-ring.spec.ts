import { describe, expect, it } from '@jest/globals';

import type { AuditRecord } from '../messaging/shared-audit.js';
import { AuditRing } from './audit-ring.js';

const record = (n: number, at = n): AuditRecord => ({ id: `n.${String(n).padStart(4, '0')}`, at, text: `text ${n}` });
const numbers = (records: readonly AuditRecord[]) => records.map(({ id }) => Number(id.slice(2)));

function ringOf(count: number, maxRecords = 5, maxCharacters = 1000): AuditRing {
  const ring = new AuditRing(maxRecords, maxCharacters);
  for (let n = 1; n <= count; n++) ring.add(record(n));
  return ring;
}

describe('AuditRing', () => {
  it('holds the last records, newest first', () => {
    const ring = ringOf(8);
    expect(numbers(ring.read(null, 10))).toEqual([8, 7, 6, 5, 4]);
    expect(numbers(ring.read(null, 2))).toEqual([8, 7]);
    expect(numbers(ring.read(record(7), 2))).toEqual([6, 5]);
    expect(numbers(ring.read(record(4), 2))).toEqual([]);
  });

  it('is bounded in size', () => {
    const ring = ringOf(8, 100, 20);
    expect(numbers(ring.read(null, 10))).toEqual([8, 7, 6]);
  });

  it('has the order of the times, also after a correction of the clock', () => {
    const ring = ringOf(2);
    ring.add(record(3, 0));
    ring.add(record(4, 2));
    expect(numbers(ring.read(null, 10))).toEqual([4, 2, 1, 3]);
    expect(numbers(ring.read(record(2), 10))).toEqual([1, 3]);
  });

  it('knows what the store lacks', () => {
    const ring = ringOf(4);
    expect([ring.hasPending, ring.lastStored, numbers(ring.pending(3))]).toEqual([true, null, [1, 2, 3]]);
    ring.stored(ring.pending(3));
    expect([numbers([ring.lastStored!]), numbers(ring.pending(3))]).toEqual([[3], [4]]);
    ring.stored(ring.pending(3));
    expect([ring.hasPending, ring.pending(3)]).toEqual([false, []]);
    ring.nothingStored();
    expect([ring.hasPending, ring.lastStored, numbers(ring.pending(9))]).toEqual([true, null, [1, 2, 3, 4]]);
  });

  it('counts records that were dropped before they were stored, and goes on with the next', () => {
    const ring = ringOf(3);
    const sent = ring.pending(2);
    for (let n = 4; n <= 9; n++) ring.add(record(n));
    ring.stored(sent);
    expect([ring.lost, numbers(ring.pending(9)), ring.lastStored]).toEqual([4, [5, 6, 7, 8, 9], null]);
  });

  it('loses nothing where the dropped records are in the store', () => {
    const ring = ringOf(5);
    ring.stored(ring.pending(5));
    ring.add(record(6));
    expect([ring.lost, numbers(ring.pending(9)), numbers([ring.lastStored!])]).toEqual([0, [6], [5]]);
  });
});
