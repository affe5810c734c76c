import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';
import { settled, tryOpen } from '../../../../test/support/servers/slot-clients.js';
import { until } from '../../../../test/support/assert/until.js';

Logger.overrideLogger(false);

const nothing = (): void => undefined;

function limits(node: WorldNode, maxPerUser: number): void {
  node.state.limits = { ...node.state.limits, maxPerUser };
}

describe('SharedSlots, with a limit that is set at run time', () => {
  let world: ClusterWorld;
  let one: WorldNode;
  let two: WorldNode;
  /** The stored counts of a user, by node. */
  const stated = (userId: string) => world.nodes.map(({ id }) => world.store.users.get(userId)?.get(id)?.count ?? 0);

  beforeEach(async () => {
    world = new ClusterWorld();
    [one, two] = [await world.add(), await world.add()];
    await world.renewAll();
  });

  afterEach(() => world.end());

  it('states nothing before', async () => {
    one.open({ userId: 'u' });
    await settled();
    expect([one.slots.isShared, one.bus.calls['stateUsers'], world.store.users.size]).toEqual([false, undefined, 0]);
  });

  it('shares the counts of existing connections, and then holds exactly over all nodes', async () => {
    for (const node of [one, one, two]) node.open({ userId: 'u' });
    await Promise.all([one.slots.share(), two.slots.share()]);
    expect([stated('u'), one.slots.isShared]).toEqual([[2, 1], true]);
    for (const node of world.nodes) limits(node, 4);
    const all = await Promise.all([one, two, one, two].map(node => tryOpen(node, 'u')));
    expect(all.filter(Boolean)).toHaveLength(1);
  });

  it('counts clients that are admitted, opened, identified or closed between the share and the limit', async () => {
    const early = one.open({ userId: 'u' });
    const sharing = one.slots.share();
    const release = await one.slots.acquire('u');
    // Admitted before, so without a slot.
    one.open({ userId: 'u' });
    const late = one.open();
    late.connection.identify({ userId: 'u' });
    early.connection.close();
    await sharing;
    await settled();
    expect([release, stated('u')]).toEqual([expect.any(Function), [3, 0]]);
    limits(one, 3);
    expect(await tryOpen(one, 'u')).toBeNull();
    release?.();
    await settled();
    expect(stated('u')).toEqual([2, 0]);
    expect(await tryOpen(one, 'u')).not.toBeNull();
  });

  it('shares many users in a few messages', async () => {
    for (let n = 0; n < 1000; n++) one.open({ userId: `user ${n}` });
    await one.slots.share();
    expect([world.store.users.size, one.bus.calls['stateUsers']]).toEqual([1000, 4]);
  });

  it('withdraws the counts with the limit, also of a slot that is being requested', async () => {
    await Promise.all([one.slots.share(), two.slots.share()]);
    limits(one, 3);
    await tryOpen(one, 'u');
    const release = await one.slots.acquire('v');
    let answer = nothing;
    one.bus.slowness = new Promise<void>(resolve => (answer = resolve));
    const asked = one.slots.acquire('w');
    await until(() => one.bus.calls['stateUsers'] === 3);
    limits(one, 0);
    one.slots.unshare();
    answer();
    (await asked)?.();
    release?.();
    await settled();
    expect([world.store.users.size, one.slots.isShared]).toEqual([0, false]);
    one.open({ userId: 'u' });
    await settled();
    expect(world.store.users.size).toBe(0);
  });

  it('withdraws the counts on the return of Redis', async () => {
    await one.slots.share();
    limits(one, 3);
    await tryOpen(one, 'u');
    one.bus.isCut = true;
    limits(one, 0);
    one.slots.unshare();
    await settled();
    expect(stated('u')).toEqual([1, 0]);
    one.bus.isCut = false;
    await one.link.renew();
    await settled();
    expect(world.store.users.size).toBe(0);
  });

  it('is shared without Redis at once, and stated on its return', async () => {
    one.open({ userId: 'u' });
    one.bus.isCut = true;
    await one.link.renew();
    await one.slots.share();
    limits(one, 1);
    expect(await tryOpen(one, 'u')).toBeNull();
    one.bus.isCut = false;
    await one.link.renew();
    await settled();
    expect(stated('u')).toEqual([1, 0]);
  });
});
