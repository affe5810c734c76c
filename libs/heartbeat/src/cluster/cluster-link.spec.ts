import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/cluster-world.js';

Logger.overrideLogger(false);

describe('ClusterLink', () => {
  let world: ClusterWorld;
  let node: WorldNode;

  beforeEach(async () => {
    world = new ClusterWorld();
    node = await world.add();
  });

  afterEach(() => world.end());

  it('knows the time of the store to half of the way there and back', async () => {
    const { renew } = node.bus;
    node.bus.renew = async (...given) => {
      world.now += 30;
      const renewal = await renew(...given);
      world.now += 40;
      return renewal;
    };
    await node.link.renew();
    expect(node.link.storeTime(world.now)).toBe(world.now - 5);
  });
});
