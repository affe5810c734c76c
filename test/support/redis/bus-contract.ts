import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type {
  BusListener,
  ClusterBus,
  UserCount,
  UserStatement,
} from '../../../libs/heartbeat/src/messaging/cluster-bus.js';
import { until } from '../assert/until.js';

/** Several buses of one cluster without other nodes. */
export interface BusWorld {
  /** A bus that was not started. */
  bus(): ClusterBus;
  /** Lets so much time pass for the store. */
  pass(ms: number): Promise<void>;
  /** Loses all that the store holds. */
  empty(): Promise<void>;
  end(): Promise<void>;
}

/** The messages that a node receives on its bus. */
class Ear implements BusListener {
  readonly heard: string[] = [];
  readonly turns: boolean[] = [];
  readonly errors: unknown[] = [];

  message(text: string): void {
    this.heard.push(text);
  }
  availability(isUp: boolean): void {
    this.turns.push(isUp);
  }
  failed(error: unknown): void {
    this.errors.push(error);
  }
}

/** One statement alone. */
async function state(bus: ClusterBus, statement: UserStatement, limit?: number): Promise<UserCount> {
  const [count] = await bus.stateUsers([statement], limit);
  return count!;
}

const LEASE_MS = 400;
const SUMMARY = '{"some":"words\\nand a line"}';

function stated(userId: string, count: number, oldestAt = 1000, oldestSerial = 1): UserStatement {
  return { userId, count, oldestAt, oldestSerial };
}

/** The contract of every bus, whatever its implementation. */
export function holdsTheBusContract(name: string, open: () => Promise<BusWorld>): void {
  describe(`${name}, as a bus`, () => {
    let world: BusWorld;
    let one: ClusterBus;
    let other: ClusterBus;
    let ears: [Ear, Ear];

    beforeEach(async () => {
      world = await open();
      [one, other] = [world.bus(), world.bus()];
      ears = [new Ear(), new Ear()];
      await Promise.all([one.start('one-1', ears[0]), other.start('other-2', ears[1])]);
      await Promise.all([one.renew(LEASE_MS, SUMMARY), other.renew(LEASE_MS, SUMMARY)]);
    });

    afterEach(async () => {
      await Promise.all([one.stop(), other.stop()]);
      await world.end();
    });

    it('is up once it was renewed, and reports it', () => {
      expect([one.isUp, one.isShared]).toEqual([true, true]);
      expect(ears[0].turns).toEqual([true]);
    });

    it('delivers to one node only', async () => {
      await one.publish('other-2', 'hello');
      await until(() => ears[1].heard.length > 0);
      expect([ears[0].heard, ears[1].heard]).toEqual([[], ['hello']]);
    });

    it('delivers to all, the sender included, in order', async () => {
      const words = Array.from({ length: 50 }, (_, n) => `word ${n} ✓`);
      await Promise.all(words.map(word => one.publish(null, word)));
      await until(() => ears.every(({ heard }) => heard.length === words.length));
      expect([ears[0].heard, ears[1].heard]).toEqual([words, words]);
    });

    it('delivers nothing to an unknown node', async () => {
      await one.publish('nobody-3', 'hello');
      expect(ears.flatMap(({ heard }) => heard)).toEqual([]);
    });

    it('has a lease for each node, with its summary and its age', async () => {
      const leases = await one.leases();
      expect(Object.fromEntries(leases.map(({ nodeId, summary }) => [nodeId, summary]))).toEqual({
        'one-1': SUMMARY,
        'other-2': SUMMARY,
      });
      expect(leases.every(({ ageMs }) => ageMs >= 0 && ageMs < LEASE_MS)).toBe(true);
      expect(await Promise.all([one.hasLease('other-2'), one.hasLease('nobody-3')])).toEqual([true, false]);
    });

    it('knows whether a lease is new, and how many there are', async () => {
      expect(await one.renew(LEASE_MS, SUMMARY)).toMatchObject({ isNew: false, nodes: 2 });
      await world.pass(LEASE_MS + 50);
      expect(await one.renew(LEASE_MS, SUMMARY)).toMatchObject({ isNew: true, nodes: 1 });
      expect(await one.hasLease('other-2')).toBe(false);
    });

    it('gives a lease back at once', async () => {
      await other.leave();
      expect((await one.leases()).map(({ nodeId }) => nodeId)).toEqual(['one-1']);
    });

    it('begins anew when everything is lost', async () => {
      await one.putBan({ id: 'b1', text: 'ban', forMs: 5000 });
      await world.empty();
      expect(await one.renew(LEASE_MS, SUMMARY)).toMatchObject({ isNew: true, nodes: 1, banVersion: 0 });
      expect(await one.bans(0, 500)).toEqual({ version: 0, hasMore: false, put: [], dropped: [] });
    });

    it('keeps bans until they end, and returns changes since a version', async () => {
      await one.putBan({ id: 'b1', text: 'first', forMs: 5000 });
      const { version, put } = await other.bans(0, 500);
      expect(put).toEqual([{ id: 'b1', text: 'first', forMs: expect.any(Number) }]);
      expect(put[0]!.forMs).toBeLessThanOrEqual(5000);
      await one.putBan({ id: 'b2', text: 'second', forMs: 100 });
      const next = await other.bans(version, 500);
      expect([next.put.map(({ id }) => id), next.dropped]).toEqual([['b2'], []]);
      expect((await one.renew(LEASE_MS, SUMMARY)).banVersion).toBe(next.version);
      await world.pass(150);
      expect((await other.bans(0, 500)).put.map(({ id }) => id)).toEqual(['b1']);
    });

    it('returns the changes page by page, in the order in which they were made', async () => {
      for (let n = 0; n < 7; n++) await one.putBan({ id: `b${9 - n}`, text: `ban ${n}`, forMs: 5000 });
      await other.dropBan('b8', 5000);
      const seen: string[] = [];
      let [since, hasMore, pages] = [0, true, 0];
      while (hasMore) {
        const page = await other.bans(since, 3);
        expect(page.version).toBeGreaterThan(since);
        seen.push(...page.put.map(({ id }) => id), ...page.dropped.map(id => `no ${id}`));
        [since, hasMore] = [page.version, page.hasMore];
        pages++;
      }
      expect([seen, pages]).toEqual([['b9', 'b7', 'b6', 'b5', 'b4', 'b3', 'no b8'], 3]);
      expect(await other.bans(since, 3)).toEqual({ version: since, hasMore: false, put: [], dropped: [] });
    });

    it('takes a later end of a ban, and nothing that is the same ban again', async () => {
      await one.putBan({ id: 'b1', text: 'first', forMs: 5000 });
      const { version } = await other.bans(0, 500);
      expect(await other.putBan({ id: 'b1', text: 'again', forMs: 5500 })).toBe(true);
      expect(await other.putBan({ id: 'b1', text: 'shorter', forMs: 100 })).toBe(true);
      expect(await one.bans(version, 500)).toMatchObject({ version, put: [] });
      expect(await other.putBan({ id: 'b1', text: 'longer', forMs: 60_000 })).toBe(true);
      const { put } = await one.bans(version, 500);
      expect(put).toEqual([{ id: 'b1', text: 'longer', forMs: expect.any(Number) }]);
      expect(put[0]!.forMs).toBeGreaterThan(50_000);
      await one.dropBan('b1', 60_000);
      expect(await other.putBan({ id: 'b1', text: 'longest', forMs: 90_000 })).toBe(false);
    });

    it('lifts a ban for all, and for good: a node that missed it cannot restore the ban', async () => {
      await one.putBan({ id: 'b1', text: 'first', forMs: 5000 });
      const { version } = await one.bans(0, 500);
      await other.dropBan('b1', 5000);
      const lifted = await one.bans(version, 500);
      await other.dropBan('b1', 9000);
      expect((await one.bans(0, 500)).version).toBe(lifted.version);
      expect(await one.bans(version, 500)).toMatchObject({ put: [], dropped: ['b1'] });
      await one.putBan({ id: 'b1', text: 'first', forMs: 5000 });
      expect(await one.bans(0, 500)).toMatchObject({ put: [], dropped: ['b1'] });
    });

    it('lifts also a forgotten ban, so that a node that still knows it cannot restore it before its end', async () => {
      await other.dropBan('b1', 100);
      await one.putBan({ id: 'b1', text: 'first', forMs: 5000 });
      expect(await one.bans(0, 500)).toMatchObject({ put: [], dropped: ['b1'] });
      await world.pass(150);
      expect(await one.bans(0, 500)).toMatchObject({ put: [], dropped: [] });
    });

    it('adds up what nodes state of a user, and only the last statement of each', async () => {
      await state(one, stated('u', 2, 1000, 7));
      await state(other, stated('u', 3, 500, 9));
      expect(await state(one, stated('u', 1, 2000, 8))).toEqual({
        isTaken: true,
        total: 4,
        oldest: { nodeId: 'other-2', serial: 9 },
      });
      expect(await state(other, stated('u', 0))).toMatchObject({ total: 1, oldest: { nodeId: 'one-1', serial: 8 } });
      expect(await state(one, stated('u', 0))).toEqual({ isTaken: true, total: 0, oldest: null });
    });

    it('takes no statement that is one too many, and is exact however many come at once', async () => {
      await state(other, stated('u', 2));
      expect(await state(one, stated('u', 2), 3)).toMatchObject({ isTaken: false, total: 4 });
      expect(await state(one, stated('u', 1), 3)).toMatchObject({ isTaken: true, total: 3 });
      const ours = [one, other].flatMap(bus => [1, 2, 3, 4].map(n => state(bus, stated('v', n), 4)));
      await Promise.all(ours);
      expect((await state(one, stated('v', 0))).total + (await state(other, stated('v', 0))).total).toBeLessThanOrEqual(
        4,
      );
    });

    it('does not count a dead node, nor one that has not returned yet', async () => {
      await state(other, stated('u', 3));
      await world.pass(LEASE_MS + 50);
      await one.renew(LEASE_MS, SUMMARY);
      expect(await state(one, stated('u', 3), 3)).toMatchObject({ isTaken: true, total: 3 });
      expect((await other.renew(LEASE_MS, SUMMARY)).isNew).toBe(true);
      expect((await state(one, stated('u', 3))).total).toBe(3);
      await other.stateUsers([stated('u', 3), stated('w', 1)]);
      expect((await state(one, stated('u', 3))).total).toBe(6);
    });

    it('states many users at once', async () => {
      expect(await one.stateUsers([])).toEqual([]);
      const users = Array.from({ length: 1200 }, (_, n) => stated(`user ${n}`, 1 + (n % 3)));
      await one.stateUsers(users);
      const counts = await Promise.all([0, 1, 2, 1199].map(n => state(other, stated(`user ${n}`, 0))));
      expect(counts.map(({ total }) => total)).toEqual([1, 2, 3, 3]);
      await one.stateUsers(users.map(user => ({ ...user, count: 0 })));
      expect((await state(other, stated('user 2', 0))).total).toBe(0);
    });

    it('answers to each of many, and takes those that are within the limit', async () => {
      await state(other, stated('u', 2, 500, 9));
      const counts = await one.stateUsers([stated('u', 2, 1000, 3), stated('v', 3, 1000, 4), stated('w', 4)], 3);
      expect(counts).toEqual([
        { isTaken: false, total: 4, oldest: { nodeId: 'other-2', serial: 9 } },
        { isTaken: true, total: 3, oldest: { nodeId: 'one-1', serial: 4 } },
        { isTaken: false, total: 4, oldest: { nodeId: 'one-1', serial: 1 } },
      ]);
      const totals = await Promise.all(['u', 'v', 'w'].map(userId => state(other, stated(userId, 0))));
      expect(totals.map(({ total }) => total)).toEqual([0, 3, 0]);
    });

    it('takes whatever a user is called', async () => {
      for (const userId of ['', ' ', ':', '{x}', 'é\n✓', "'); redis.call('FLUSHALL') --"]) {
        expect((await state(one, stated(userId, 1))).total).toBe(1);
      }
    });
  });
}
