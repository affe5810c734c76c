import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { ClusterBus } from '../../../libs/heartbeat/src/messaging/cluster-bus.js';
import { type AuditRecord, MAX_AUDIT_RECORDS } from '../../../libs/heartbeat/src/messaging/shared-audit.js';
import type { BusWorld } from './bus-contract.js';

const AT = 1_700_000_000_000;

function record(n: number, at = AT + n, node = 'one-1'): AuditRecord {
  return { id: `${node}.${String(n).padStart(7, '0')}`, at, text: `{"n":${n},"words":"some \\"words\\" ✓"}` };
}

/** The contract of the audit trail of every bus. */
export function holdsTheAuditContract(name: string, open: () => Promise<BusWorld>): void {
  describe(`${name}, as an audit trail`, () => {
    let world: BusWorld;
    let one: ClusterBus;
    let other: ClusterBus;

    beforeEach(async () => {
      world = await open();
      [one, other] = [world.bus(), world.bus()];
      const listener = { message: () => undefined, availability: () => undefined, failed: () => undefined };
      await Promise.all([one.start('one-1', listener), other.start('other-2', listener)]);
      await Promise.all([one.renew(5000, '{}'), other.renew(5000, '{}')]);
    });
    afterEach(async () => {
      await Promise.all([one.stop(), other.stop()]);
      await world.end();
    });

    it('has the records of all nodes, newest first, as they were added', async () => {
      const [first, second, third] = [record(1), record(2, AT + 2, 'other-2'), record(3)];
      await one.audit.add([first, third], null);
      await other.audit.add([second], null);
      expect(await one.audit.read(null, 10)).toEqual([third, second, first]);
      expect(await other.audit.read(null, 2)).toEqual([third, second]);
      expect(await other.audit.read(third, 10)).toEqual([second, first]);
      expect(await other.audit.read(first, 10)).toEqual([]);
    });

    it('adds a record once', async () => {
      const records = [record(1), record(2)];
      await one.audit.add(records, null);
      await one.audit.add([...records, record(3)], null);
      expect(await one.audit.read(null, 10)).toEqual([record(3), record(2), record(1)]);
    });

    it('continues after any record, also within a moment, and after one that it lacks', async () => {
      const all = Array.from({ length: 20 }, (_, n) => record(n, AT + Math.floor(n / 7)));
      await one.audit.add(all, null);
      const newestFirst = all.toReversed();
      for (const [n, { id, at }] of newestFirst.entries()) {
        expect(await other.audit.read({ id, at }, 5)).toEqual(newestFirst.slice(n + 1, n + 6));
      }
      expect(await other.audit.read({ id: 'one-1.0000009x', at: AT + 1 }, 2)).toEqual([
        record(9, AT + 1),
        record(8, AT + 1),
      ]);
    });

    it('reports whether it lacks a record that it had', async () => {
      expect(await one.audit.add([record(1)], null)).toBe(true);
      expect(await one.audit.add([record(2)], record(1))).toBe(true);
      await world.empty();
      expect(await one.audit.add([record(3)], record(2))).toBe(false);
      expect(await one.audit.add([], record(3))).toBe(true);
    });

    it('keeps the newest 10,000, and does not miss those that it dropped', async () => {
      const more = 30;
      const all = Array.from({ length: MAX_AUDIT_RECORDS + more }, (_, n) => record(n));
      for (let from = 0; from < all.length; from += 1000) await one.audit.add(all.slice(from, from + 1000), null);
      const newest = all.slice(more).toReversed();
      expect(await one.audit.read(null, 5)).toEqual(newest.slice(0, 5));
      expect(await one.audit.read(newest.at(-3)!, 10)).toEqual(newest.slice(-2));
      expect(await one.audit.add([], all[0]!)).toBe(true);
      // An entry that is older than all is not kept, and moves no other.
      expect(await other.audit.add([record(0, AT - 1, 'other-2')], null)).toBe(true);
      expect(await other.audit.read(newest.at(-2)!, 10)).toEqual(newest.slice(-1));
    });
  });
}
