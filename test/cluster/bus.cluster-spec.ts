/** The bus over a real Redis keeps the contract that the one in memory keeps. */
import { afterAll, beforeAll } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveOptions } from 'nestjs-heartbeat';
import { SystemClock } from '../../libs/heartbeat/src/clock.js';
import { RedisBus } from '../../libs/heartbeat/src/cluster/redis-bus.js';
import { holdsTheBusContract } from '../support/bus-contract.js';
import { RedisServer } from '../support/redis-server.js';

let redis: RedisServer;
let worlds = 0;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => RedisServer.stopAll());

holdsTheBusContract('RedisBus', async () => {
  const namespace = `contract-${worlds++}`;
  const { cluster } = resolveOptions({ cluster: { redisUrl: redis.url, namespace } });
  return {
    bus: () => new RedisBus(cluster, new SystemClock()),
    // The store's clock is Redis' own: what shall pass for it passes for us.
    pass: ms => sleep(ms),
    empty: async () => void (await redis.command('FLUSHALL')),
    end: async () => void (await redis.command('FLUSHALL')),
  };
});
