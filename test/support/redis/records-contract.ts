import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { ClusterBus } from '../../../libs/heartbeat/src/messaging/cluster-bus.js';
import type { BusWorld } from './bus-contract.js';

const SILENT = { message: () => undefined, availability: () => undefined, failed: () => undefined };

const report = (nodeId: string, text: string, keepMs = 5000) => ({ nodeId, report: text, text: 'again', keepMs });

/** The contract of the records of every bus, whatever its implementation. */
export function holdsTheRecordsContract(name: string, open: () => Promise<BusWorld>): void {
  describe(`${name}, as a store of records`, () => {
    let world: BusWorld;
    let one: ClusterBus;
    let other: ClusterBus;

    beforeEach(async () => {
      world = await open();
      [one, other] = [world.bus(), world.bus()];
      await Promise.all([one.start('one-1', SILENT), other.start('other-2', SILENT)]);
      await Promise.all([one.renew(5000, ''), other.renew(5000, '')]);
    });
    afterEach(async () => {
      await Promise.all([one.stop(), other.stop()]);
      await world.end();
    });

    it('keeps a record for its time, on every node', async () => {
      await one.records.put('a', 'first', 200);
      await one.records.put('b', 'second', 5000);
      expect(await other.records.read('a')).toEqual({ text: 'first', reports: new Map() });
      await world.pass(250);
      expect(await other.records.read('a')).toBeNull();
      expect((await other.records.read('b'))?.text).toBe('second');
      expect(await other.records.read('c')).toBeNull();
    });

    it('replaces a record as a whole', async () => {
      await one.records.put('a', 'first', 5000);
      await other.records.report('a', report('other-2', 'half'));
      await one.records.put('a', 'anew', 5000);
      expect(await other.records.read('a')).toEqual({ text: 'anew', reports: new Map() });
    });

    it('changes a text once, however many try at once, and keeps the reports', async () => {
      await one.records.put('a', 'planned', 5000);
      await one.records.report('a', report('one-1', 'half'));
      const tries = await Promise.all(
        [1, 2, 3, 4].map(n => (n % 2 ? one : other).records.change('a', 'planned', `taken ${n}`, 5000)),
      );
      expect(tries.filter(Boolean)).toHaveLength(1);
      const record = await other.records.read('a');
      expect(record?.text).toBe(`taken ${tries.indexOf(true) + 1}`);
      expect(record?.reports).toEqual(new Map([['one-1', 'half']]));
      expect(await one.records.change('b', '', 'made', 5000)).toBe(false);
    });

    it('keeps it longer with each change and each report', async () => {
      await one.records.put('a', 'planned', 200);
      await one.records.change('a', 'planned', 'taken', 400);
      await world.pass(250);
      await one.records.report('a', report('one-1', 'half', 400));
      await world.pass(250);
      expect((await other.records.read('a'))?.text).toBe('taken');
    });

    it('has the last report of each node, whatever it contains', async () => {
      await one.records.put('a', 'text ✓\n', 5000);
      await one.records.report('a', report('one-1', ''));
      await other.records.report('a', report("other-2 '); --", '{}'));
      expect(await one.records.report('a', report('one-1', 'last\n✓'))).toEqual({
        text: 'text ✓\n',
        reports: new Map([
          ['one-1', 'last\n✓'],
          ["other-2 '); --", '{}'],
        ]),
      });
    });

    it('is made again by a report when everything is lost', async () => {
      await one.records.put('a', 'first', 5000);
      await world.empty();
      expect(await one.records.report('a', report('one-1', 'half'))).toEqual({
        text: 'again',
        reports: new Map([['one-1', 'half']]),
      });
    });

    it('has at most 1,000 records: the oldest are removed', async () => {
      await one.records.put('first', 'x', 60_000);
      for (let n = 0; n < 1000; n++) await one.records.put(`record ${n}`, 'x', 60_000);
      expect(await one.records.read('first')).toBeNull();
      expect((await one.records.read('record 0'))?.text).toBe('x');
    });
  });
}
