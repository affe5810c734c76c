import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { BusListener } from './cluster-bus.js';
import { RedisBus } from './redis-bus.js';
import type { RedisClient } from './redis-clients.js';
import { RENEW } from './redis-scripts.js';

type Hear = (message: string, channel: string) => void;

/** A Redis whose channels are on different servers, as in a Redis Cluster. A hanging server sends no replies, and closes no connection. */
class FakeRedis {
  readonly clients: FakeClient[] = [];
  readonly published: string[] = [];
  /** Channels whose server hangs, for the clients that were created before another server replaced it. */
  readonly hanging = new Map<string, number>();
  /** Whether scripts get no reply. */
  isBusy = false;
  /** Duration of an attempt to connect. */
  connectMs = 0;
  scripts = 0;

  constructor(readonly isCluster: boolean) {}

  hang(channel: string): void {
    this.hanging.set(channel, Infinity);
  }

  /** New clients find another server for the channel from now on. */
  failOver(channel: string): void {
    this.hanging.set(channel, this.clients.length);
  }

  /** The client that the app passes. */
  get client(): object {
    const duplicate = () => {
      const made = new FakeClient(this, this.clients.length);
      this.clients.push(made);
      return made as unknown as RedisClient;
    };
    return { duplicate, ...(this.isCluster && { masters: [] }) };
  }
}

class FakeClient {
  isReady = false;
  isDestroyed = false;
  readonly #heard = new Map<string, Hear>();

  constructor(
    private readonly redis: FakeRedis,
    private readonly place: number,
  ) {}

  on(): void {}

  async connect(): Promise<void> {
    if (this.redis.connectMs > 0) await new Promise(resolve => setTimeout(resolve, this.redis.connectMs));
    if (this.isDestroyed) throw new Error('destroyed');
    this.isReady = true;
  }

  destroy(): void {
    this.isReady = false;
    this.isDestroyed = true;
  }

  evalSha(sha: string): Promise<unknown> {
    this.redis.scripts++;
    if (this.redis.isBusy && sha !== RENEW.sha) return new Promise(() => undefined);
    return Promise.resolve(sha === RENEW.sha ? ['0', '1', '0', '1000'] : ['1']);
  }

  reaches(channel: string): boolean {
    return !this.isDestroyed && this.place >= (this.redis.hanging.get(channel) ?? 0);
  }

  hear(message: string, channel: string): void {
    if (this.reaches(channel)) this.#heard.get(channel)?.(message, channel);
  }

  sPublish(channel: string, message: string): Promise<unknown> {
    this.redis.published.push(channel);
    if (!this.reaches(channel)) return new Promise(() => undefined);
    for (const client of this.redis.clients) client.hear(message, channel);
    return Promise.resolve(1);
  }

  publish(channel: string, message: string): Promise<unknown> {
    return this.sPublish(channel, message);
  }

  sSubscribe(channel: string, hear: Hear): Promise<unknown> {
    this.#heard.set(channel, hear);
    return this.reaches(channel) ? Promise.resolve() : new Promise(() => undefined);
  }

  async subscribe(channels: string[], hear: Hear): Promise<void> {
    for (const channel of channels) await this.sSubscribe(channel, hear);
  }
}

/** The guarantee: the cluster is complete within 5 s. */
const WHOLE_S = 5;

describe('RedisBus', () => {
  let now: number;
  let buses: RedisBus[];
  let heard: string[][];
  let turns: boolean[];

  beforeEach(() => {
    jest.useFakeTimers();
    now = 1000;
    [buses, heard, turns] = [[], [], []];
  });
  afterEach(async () => {
    for (const bus of buses) await bus.stop();
    jest.useRealTimers();
  });

  async function start(redis: FakeRedis, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const client = redis.client as never;
      const options = {
        redisUrl: undefined,
        client,
        nodeName: '',
        namespace: 'ns',
        leaseMs: 3000,
        requestTimeoutMs: 1000,
      };
      const bus = new RedisBus(options, { now: () => now, wallTime: (moment: number) => new Date(moment) });
      const words: string[] = [];
      const listener: BusListener = {
        message: text => words.push(text),
        availability: isUp => turns.push(isUp),
        failed: () => undefined,
      };
      buses.push(bus);
      heard.push(words);
      await bus.start(`n${n}`, listener);
    }
  }

  /** A second, in which each node renews its lease at a different time. */
  async function second(): Promise<void> {
    for (const bus of buses) {
      bus.renew(3000, '{}').catch(() => undefined);
      now += 1000 / buses.length;
      await jest.advanceTimersByTimeAsync(1000 / buses.length);
    }
  }

  /** The number of seconds until every node receives the messages of every node. */
  async function secondsUntilWhole(): Promise<number> {
    for (let seconds = 0; seconds <= 2 * WHOLE_S; seconds++) {
      for (const words of heard) words.length = 0;
      for (const bus of buses) bus.publish(null, 'hello').catch(() => undefined);
      await second();
      if (heard.every(words => words.length === buses.length)) return seconds;
    }
    return Infinity;
  }

  it.each(['ns:all', 'ns:node:n0'])(
    'in a Cluster detects a server that hangs with %s only, and finds its replacement',
    async channel => {
      const redis = new FakeRedis(true);
      await start(redis, 2);
      await second();
      expect(await secondsUntilWhole()).toBe(0);
      redis.hang(channel);
      await second();
      redis.failOver(channel);
      expect(await secondsUntilWhole()).toBeLessThanOrEqual(WHOLE_S);
      const made = redis.clients.length;
      for (let n = 0; n < 5; n++) await second();
      expect([redis.clients.length, buses.map(({ isUp }) => isUp)]).toEqual([made, [true, true]]);
    },
  );

  it('in a Cluster reaches a node again whose channel was on a server that was replaced', async () => {
    const redis = new FakeRedis(true);
    await start(redis, 2);
    await second();
    redis.hang('ns:node:n0');
    buses[1]!.publish('n0', 'lost').catch(() => undefined);
    await second();
    redis.failOver('ns:node:n0');
    for (let seconds = 0; !heard[0]!.includes('found'); seconds++) {
      expect(seconds).toBeLessThanOrEqual(WHOLE_S);
      buses[1]!.publish('n0', 'found').catch(() => undefined);
      await second();
    }
    const made = redis.clients.length;
    for (let n = 0; n < 5; n++) await second();
    expect(redis.clients).toHaveLength(made);
  });

  it('in a Cluster recovers also where the server was replaced after a long time', async () => {
    const redis = new FakeRedis(true);
    await start(redis, 2);
    redis.hang('ns:all');
    for (let n = 0; n < 12; n++) await second();
    redis.failOver('ns:all');
    expect(await secondsUntilWhole()).toBeLessThanOrEqual(WHOLE_S);
  });

  it.each([500, 900, 1200, 1400, 1900, 2400])(
    'joins by a slow network, whose attempts to connect take %p ms',
    async ms => {
      const redis = new FakeRedis(false);
      redis.connectMs = ms;
      const started = start(redis, 1);
      await jest.advanceTimersByTimeAsync(1000);
      now += 1000;
      await started;
      for (let n = 0; n < 12; n++) await second();
      const made = redis.clients.length;
      expect(await secondsUntilWhole()).toBe(0);
      for (let n = 0; n < 5; n++) await second();
      expect(redis.clients).toHaveLength(made);
    },
  );

  it.each<[boolean, number]>([
    [true, 2],
    [false, 0],
  ])(
    'receives its own echo, and an echo to all at most once in a second for any number of nodes: %p',
    async (isCluster, most) => {
      const redis = new FakeRedis(isCluster);
      await start(redis, 20);
      for (let n = 0; n < 3; n++) await second();
      redis.published.length = 0;
      for (let n = 0; n < 10; n++) await second();
      const toAll = redis.published.filter(channel => channel === 'ns:all').length;
      expect(redis.published.length - toAll).toBe(200);
      expect(toAll).toBeLessThanOrEqual(10 * most);
      expect(redis.clients).toHaveLength(40);
    },
  );

  it('does not report a Redis as lost that only has too many commands', async () => {
    const redis = new FakeRedis(false);
    await start(redis, 1);
    await second();
    redis.isBusy = true;
    const before = redis.scripts;
    const [bus] = buses as [RedisBus];
    const all = Promise.allSettled(Array.from({ length: 12_000 }, (_, n) => bus.hasLease(`n${n}`)));
    await jest.advanceTimersByTimeAsync(100);
    expect([redis.scripts - before, bus.isUp, turns]).toEqual([10_000, true, [true]]);
    await expect(bus.renew(3000, '{}')).resolves.toMatchObject({ nodes: 1 });
    await jest.advanceTimersByTimeAsync(1000);
    expect((await all).every(({ status }) => status === 'rejected')).toBe(true);
  });
});
