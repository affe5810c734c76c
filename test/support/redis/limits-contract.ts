import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { ClusterBus } from '../../../libs/heartbeat/src/messaging/cluster-bus.js';
import type { BusWorld } from './bus-contract.js';

const SILENT = { message: () => undefined, availability: () => undefined, failed: () => undefined };

function entryOf(key: string, stamp: number, forMs: number | null, text: string) {
  return { key, stamp, forMs, text };
}

function byKey<Entry extends { readonly key: string }>(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((one, other) => (one.key < other.key ? -1 : 1));
}

/** The contract of the limits of every bus, whatever its implementation. */
export function holdsTheLimitsContract(name: string, open: () => Promise<BusWorld>): void {
  describe(`${name}, as a store of limits`, () => {
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

    it('keeps the later limit of each key, whichever arrives last, with its end', async () => {
      const { limitVersion } = await one.renew(5000, '');
      expect([limitVersion, await one.limits.exchange([])]).toEqual([0, { version: 0, entries: [] }]);
      const first = await one.limits.exchange([
        entryOf('a', 1000, null, '{"value":1} ✓'),
        entryOf('b', 1000, 200, 'two'),
      ]);
      expect(first.entries).toHaveLength(2);
      const second = await other.limits.exchange([entryOf('a', 999, 50, 'earlier'), entryOf('b', 1001, 100, 'later')]);
      expect(second.version).toBeGreaterThan(first.version);
      expect((await one.renew(5000, '')).limitVersion).toBe(second.version);
      expect(byKey(second.entries)).toEqual([
        entryOf('a', 1000, null, '{"value":1} ✓'),
        { ...entryOf('b', 1001, null, 'later'), forMs: expect.any(Number) },
      ]);
      await world.pass(150);
      const third = await one.limits.exchange([entryOf('b', 1001, 5000, 'the same stamp')]);
      expect([third.version, byKey(third.entries)[1]]).toEqual([second.version, entryOf('b', 1001, 0, 'later')]);
      await world.empty();
      expect(await one.limits.exchange([])).toEqual({ version: 0, entries: [] });
    });
  });
}
