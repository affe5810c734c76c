import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type OpenConnection, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { settled, tryOpen } from '../../../../test/support/servers/slot-clients.js';
import { until } from '../../../../test/support/assert/until.js';

Logger.overrideLogger(false);

const nothing = (): void => undefined;
async function close(...opened: (OpenConnection | null)[]): Promise<void> {
  for (const each of opened) each?.connection.close();
  await settled();
}

/** Opens a connection that is newer than all before. */
async function openAt(world: ClusterWorld, node: WorldNode): Promise<OpenConnection> {
  world.now += 10;
  const opened = node.open({ userId: 'u' });
  await settled();
  return opened;
}

describe('SharedSlots', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;

  async function start(limits: { maxPerUser: number; onUserLimit?: 'refuse' | 'replace-oldest' }): Promise<void> {
    world = new ClusterWorld();
    [one, two] = [await world.add({ limits }), await world.add({ limits })];
    await world.renewAll();
  }

  /** The stored counts of a user, by node. */
  function stated(userId: string): number[] {
    return world.nodes.map(({ id }) => world.store.users.get(userId)?.get(id)?.count ?? 0);
  }

  afterEach(() => world.end());

  describe('where new connections are refused', () => {
    beforeEach(() => start({ maxPerUser: 3 }));

    it('admits as many connections as allowed over all nodes, and not one more', async () => {
      const all = await Promise.all([one, two, one, two, one, two].map(node => tryOpen(node, 'u')));
      expect(all.filter(Boolean)).toHaveLength(3);
      expect(one.connections.findByUser('u').length + two.connections.findByUser('u').length).toBe(3);
      expect(await tryOpen(one, 'v')).not.toBeNull();
    });

    it('releases each slot', async () => {
      const [first, second, third] = [await tryOpen(one, 'u'), await tryOpen(two, 'u'), await tryOpen(two, 'u')];
      expect(await tryOpen(one, 'u')).toBeNull();
      await close(second);
      expect(stated('u')).toEqual([1, 1]);
      expect(await tryOpen(one, 'u')).not.toBeNull();
      await close(
        first,
        third,
        ...one.connections.findByUser('u').map(connection => ({ connection, id: '', sent: [] })),
      );
      expect(world.store.users.size).toBe(0);
    });

    it('releases the slot of a client that never connected', async () => {
      for (let n = 0; n < 5; n++) await tryOpen(one, 'u', false);
      await settled();
      expect(stated('u')).toEqual([0, 0]);
    });

    it('is requested once for an opening and once for a closing', async () => {
      const opened = await tryOpen(one, 'u');
      expect(one.bus.calls['stateUsers']).toBe(1);
      await close(opened);
      expect(one.bus.calls['stateUsers']).toBe(2);
      one.open();
      await settled();
      expect(one.bus.calls['stateUsers']).toBe(2);
    });

    it('is not requested where this node alone has reached the limit', async () => {
      for (let n = 0; n < 3; n++) await tryOpen(one, 'u');
      const before = one.bus.calls['stateUsers'];
      expect(await tryOpen(one, 'u')).toBeNull();
      expect(one.bus.calls['stateUsers']).toBe(before);
    });

    it('closes a connection that is identified later and exceeds the limit', async () => {
      for (const node of [one, two, two]) await tryOpen(node, 'u');
      const late = one.open();
      late.connection.identify({ userId: 'u' });
      await settled();
      expect(late.connection.closing).toMatchObject({ code: 1013, reason: 'user-limit' });
      expect(stated('u')).toEqual([1, 2]);
    });

    it('counts a connection for its new user', async () => {
      const opened = await tryOpen(one, 'u');
      opened!.connection.identify({ userId: 'v' });
      await settled();
      expect([stated('u'), stated('v')]).toEqual([
        [0, 0],
        [1, 0],
      ]);
    });

    it('counts a client with a slot that has not connected yet, as behind a slow gateway', async () => {
      for (const node of [one, two]) await tryOpen(node, 'u');
      const release = await one.slots.acquire('u');
      await settled();
      expect([release, stated('u')]).toEqual([expect.any(Function), [2, 1]]);
      expect([await tryOpen(two, 'u'), await tryOpen(one, 'u')]).toEqual([null, null]);
      const opened = one.open({ userId: 'u' });
      release?.();
      await settled();
      expect(stated('u')).toEqual([2, 1]);
      await close(opened);
      expect(stated('u')).toEqual([1, 1]);
    });

    it('corrects a statement that Redis executed too late, without connections here', async () => {
      one.bus.answersLate = true;
      const opened = await tryOpen(one, 'u');
      await close(opened);
      expect([opened === null, stated('u')]).toEqual([false, [1, 0]]);
      one.bus.answersLate = false;
      await one.link.renew();
      await settled();
      expect(stated('u')).toEqual([0, 0]);
    });

    it('corrects also one of several late statements', async () => {
      const opened = await tryOpen(one, 'u');
      one.bus.isCut = true;
      await close(opened);
      const other = await tryOpen(one, 'v');
      one.bus.isCut = false;
      one.bus.answersLate = true;
      await one.link.renew();
      await settled();
      await close(other);
      expect([stated('u'), stated('v')]).toEqual([
        [0, 0],
        [1, 0],
      ]);
      one.bus.answersLate = false;
      await one.link.renew();
      await settled();
      expect(stated('v')).toEqual([0, 0]);
    });

    it('refuses at once above the limit of this node, without waiting for other requests, while Redis is slow', async () => {
      let answer = nothing;
      one.bus.slowness = new Promise<void>(resolve => (answer = resolve));
      const acquired = Array.from({ length: 20 }, () => one.slots.acquire('u'));
      const first = await Promise.all(acquired.map(taken => Promise.race([taken, settled().then(() => 'waits')])));
      expect(first).toEqual([...Array(3).fill('waits'), ...Array(17).fill(null)]);
      await until(() => one.bus.calls['stateUsers'] === 1);
      answer();
      for (const release of await Promise.all(acquired)) release?.();
      await settled();
      expect(stated('u')).toEqual([0, 0]);
    });

    it('keeps a slot that was just requested when all counts are stated again', async () => {
      let answer = nothing;
      one.bus.slowness = new Promise<void>(resolve => (answer = resolve));
      const asked = one.slots.acquire('u');
      world.store.empty();
      await one.link.renew();
      await settled();
      answer();
      expect(await asked).toEqual(expect.any(Function));
      await settled();
      expect(stated('u')).toEqual([1, 0]);
    });

    it('states the ends of many connections in a few messages', async () => {
      const all = Array.from({ length: 1000 }, (_, n) => one.open({ userId: `user ${n}` }));
      one.bus.isCut = true;
      await one.link.renew();
      one.bus.isCut = false;
      await one.link.renew();
      await settled();
      const before = one.bus.calls['stateUsers']!;
      expect(world.store.users.size).toBe(1000);
      await close(...all);
      expect([world.store.users.size, one.bus.calls['stateUsers']! - before]).toEqual([0, 4]);
    });

    it('removes a dead node with its lease', async () => {
      for (let n = 0; n < 3; n++) await tryOpen(two, 'u');
      expect(await tryOpen(one, 'u')).toBeNull();
      world.now += 3001;
      await one.link.renew();
      expect(await tryOpen(one, 'u')).not.toBeNull();
    });

    it('is applied by each node while Redis is lost; after that no connection is closed, and it is exact again', async () => {
      one.bus.isCut = two.bus.isCut = true;
      const all = await Promise.all([one, one, one, one, two, two, two, two].map(node => tryOpen(node, 'u')));
      expect(all.filter(Boolean)).toHaveLength(6);
      expect(one.errors['user-limit']).toBeGreaterThan(0);
      one.bus.isCut = two.bus.isCut = false;
      await world.renewAll();
      await settled();
      expect(stated('u')).toEqual([3, 3]);
      expect(all.filter(Boolean).map(opened => opened!.connection.closing)).toEqual(Array(6).fill(null));
      await close(...all.slice(0, 5));
      expect(stated('u')).toEqual([0, 2]);
      expect([await tryOpen(one, 'u'), await tryOpen(one, 'u')].filter(Boolean)).toHaveLength(1);
    });

    it('states the ends of connections that closed while Redis was lost', async () => {
      const opened = await tryOpen(one, 'u');
      one.bus.isCut = true;
      await close(opened);
      expect(stated('u')).toEqual([1, 0]);
      one.bus.isCut = false;
      await one.link.renew();
      await settled();
      expect(stated('u')).toEqual([0, 0]);
    });

    it('states the current counts to a Redis that returns with older data, also without changes meanwhile', async () => {
      await tryOpen(one, 'u');
      const older = structuredClone(world.store.users);
      await tryOpen(one, 'u');
      one.bus.isCut = true;
      await one.link.renew();
      for (const [userId, statements] of older) world.store.users.set(userId, statements);
      expect(stated('u')).toEqual([1, 0]);
      one.bus.isCut = false;
      await one.link.renew();
      await settled();
      expect(stated('u')).toEqual([2, 0]);
    });

    it('states all counts again to a Redis that was emptied', async () => {
      for (const userId of ['u', 'u', 'v']) await tryOpen(one, userId);
      world.store.empty();
      await world.renewAll();
      await settled();
      expect([stated('u'), stated('v')]).toEqual([
        [2, 0],
        [1, 0],
      ]);
    });
  });

  describe('where the newest replace the oldest', () => {
    beforeEach(() => start({ maxPerUser: 2, onUserLimit: 'replace-oldest' }));

    it('needs no slot for an upgrade', () => {
      expect(one.slots.isShared).toBe(false);
    });

    it('closes the oldest with 4502, on any node', async () => {
      const opened: OpenConnection[] = [];
      for (const node of [one, two, two, one, one]) opened.push(await openAt(world, node));
      const codes = opened.map(({ connection }) => connection.closing?.code ?? null);
      expect(codes).toEqual([4502, 4502, 4502, null, null]);
    });

    it('closes no more for a repeated message', async () => {
      const [first, second] = [await openAt(world, one), await openAt(world, one)];
      const third = await openAt(world, two);
      const message = { kind: 'replace', from: two.id, userId: 'u', serial: first.connection.serial };
      world.store.listeners.get(one.id)!.message(JSON.stringify({ version: 1, message }));
      await settled();
      expect([first, second, third].map(({ connection }) => connection.closing?.code)).toEqual([
        4502,
        undefined,
        undefined,
      ]);
    });

    it('closes no connection for a lower limit, nor for the end of another one, until a new one opens', async () => {
      const opened = [await openAt(world, one), await openAt(world, two)];
      for (const node of world.nodes) node.state.limits = { ...node.state.limits, maxPerUser: 4 };
      opened.push(await openAt(world, one), await openAt(world, two));
      for (const node of world.nodes) node.state.limits = { ...node.state.limits, maxPerUser: 2 };
      await close(opened[0]!);
      const codes = () => opened.map(({ connection }) => connection.closing?.code ?? null);
      expect(codes()).toEqual([1000, null, null, null]);
      opened.push(await openAt(world, one));
      await settled();
      expect(codes()).toEqual([1000, 4502, 4502, null, null]);
    });

    it('counts a connection that is identified later once', async () => {
      await openAt(world, one);
      await openAt(world, two);
      const late = two.open();
      late.connection.identify({ userId: 'u' });
      await settled();
      expect(stated('u')).toEqual([0, 2]);
    });
  });
});
