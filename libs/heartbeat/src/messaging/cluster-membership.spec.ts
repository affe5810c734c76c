import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Logger } from '@nestjs/common';

import { ClusterWorld, type WorldNode } from '../../../../test/support/servers/cluster-world.js';

Logger.overrideLogger(false);

const HOUR_MS = 3_600_000;

describe('ClusterMembership', () => {
  let world: ClusterWorld;
  let node: WorldNode;

  beforeEach(async () => {
    world = new ClusterWorld();
    node = await world.add();
  });

  afterEach(() => world.end());

  it('derives the time of the store from its replies, to half of the round trip, and from the fastest', async () => {
    const { renew } = node.bus;
    const renewOverSlow = async (toMs: number, backMs: number) => {
      node.bus.renew = async (...given) => {
        world.now += toMs;
        const renewal = await renew(...given);
        world.now += backMs;
        return { ...renewal, now: renewal.now + HOUR_MS };
      };
      await node.link.renew();
    };
    await renewOverSlow(30, 40);
    expect(node.link.storeTime(world.now)).toBe(world.now + HOUR_MS - 5);
    await renewOverSlow(30, 200);
    expect(node.link.storeTime(world.now)).toBe(world.now + HOUR_MS - 5);
  });
});
