/** The bus over a real Redis keeps the contract that the one in memory keeps. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveOptions } from 'nestjs-heartbeat/tooling';
import { SystemClock } from '../../libs/heartbeat/src/base/clock.js';
import { RedisBus } from '../../libs/heartbeat/src/messaging/redis-bus.js';
import { holdsTheAuditContract } from '../support/redis/audit-contract.js';
import { type BusWorld, holdsTheBusContract } from '../support/redis/bus-contract.js';
import { holdsTheLimitsContract } from '../support/redis/limits-contract.js';
import { holdsTheRecordsContract } from '../support/redis/records-contract.js';
import { RedisServer } from '../support/redis/redis-server.js';

let redis: RedisServer;
let worlds = 0;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => RedisServer.stopAll());

async function open(): Promise<BusWorld> {
  const namespace = `contract-${worlds++}`;
  const { cluster } = resolveOptions({ cluster: { redisUrl: redis.url, namespace } });
  return {
    bus: () => new RedisBus(cluster, new SystemClock()),
    // The store's clock is Redis' own: what shall pass for it passes for us.
    pass: ms => sleep(ms),
    empty: async () => void (await redis.command('FLUSHALL')),
    end: async () => void (await redis.command('FLUSHALL')),
  };
}

holdsTheBusContract('RedisBus', open);
holdsTheAuditContract('RedisBus', open);
holdsTheLimitsContract('RedisBus', open);
holdsTheRecordsContract('RedisBus', open);

describe('the keys of a cluster', () => {
  it('expire within days, each of them, also where all nodes ended without a word', async () => {
    const { cluster } = resolveOptions({ cluster: { redisUrl: redis.url, namespace: 'expiry' } });
    const bus = new RedisBus(cluster, new SystemClock());
    await bus.start('one-1', { message: () => undefined, availability: () => undefined, failed: () => undefined });
    await bus.renew(15_000, '{}');
    await bus.putBan({ id: 'b1', text: 'ban', forMs: 60_000 });
    await bus.dropBan('b2', 60_000);
    await bus.stateUsers([{ userId: 'u', count: 2, oldestAt: 1, oldestSerial: 1 }]);
    await bus.audit.add([{ id: 'one-1.1', at: 1, text: '{}' }], null);
    await bus.records.put('r1', 'record', 60_000);
    await bus.renew(15_000, '{}');
    const keys = (await redis.command('KEYS', '{expiry}:*')) as string[];
    expect(keys.map(key => key.replace('{expiry}:', '')).toSorted()).toEqual([
      'audit',
      'bans',
      'bans:ends',
      'bans:version',
      'bans:versions',
      'leases',
      'nodes',
      'record:r1',
      'records',
      'user:u',
      'users:one-1',
    ]);
    for (const key of keys) {
      const seconds = Number(await redis.command('TTL', key));
      const days = key.endsWith(':audit') ? 31 : 2;
      expect([key, seconds > 0 && seconds < days * 24 * 3600]).toEqual([key, true]);
    }
    await bus.stop();
  });
});
