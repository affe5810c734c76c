import { beforeEach, describe, expect, it, jest } from '@jest/globals';

import { until } from '../../../../test/support/assert/until.js';
import { reconnectDelay, type RedisClient, redisClients } from './redis-clients.js';
import { RedisConnection } from './redis-connection.js';

/** A client whose attempt to connect the test ends. */
class FakeClient {
  isReady = false;
  destroyed = 0;
  failed: (error: unknown) => void = () => undefined;
  end: (error?: Error) => void = () => undefined;

  on(_event: 'error', listener: (error: unknown) => void): void {
    this.failed = listener;
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.end = error => {
        this.isReady = error === undefined;
        if (error) reject(error);
        else resolve();
      };
    });
  }

  get isDestroyed(): boolean {
    return this.destroyed > 0;
  }

  destroy(): Promise<never> {
    this.isReady = false;
    this.destroyed++;
    return Promise.reject(new Error('was not open'));
  }
}

describe('RedisConnection', () => {
  let made: FakeClient[];
  let errors: unknown[];
  let prepared: RedisClient[];
  let connection: RedisConnection;

  beforeEach(() => {
    made = [];
    errors = [];
    prepared = [];
    connection = new RedisConnection(
      () => {
        const client = new FakeClient();
        made.push(client);
        return client as unknown as RedisClient;
      },
      async client => void prepared.push(client),
      error => errors.push(error),
    );
  });

  it('reports a client that cannot be created, and does not reject', async () => {
    const failure = new TypeError('Invalid pathname');
    const broken = new RedisConnection(
      () => {
        throw failure;
      },
      async () => undefined,
      error => errors.push(error),
    );
    await broken.renew(0);
    broken.close();
    expect([errors, broken.ready]).toEqual([[failure], null]);
  });

  it('ends an attempt that hangs, waits longer for the next, and not at all for a replaced client', async () => {
    jest.useFakeTimers();
    void connection.renew(0);
    await jest.advanceTimersByTimeAsync(350);
    expect([errors, made[0]!.isDestroyed]).toEqual([[new Error('no connection within 350 ms')], true]);
    const next = connection.renew(1000);
    await jest.advanceTimersByTimeAsync(699);
    expect([made.length, made[1]!.isDestroyed]).toEqual([2, false]);
    made[1]!.end();
    await next;
    expect([connection.ready, errors.length, jest.getTimerCount()]).toEqual([made[1], 1, 0]);
    connection.close();
    jest.useRealTimers();
  });

  it('is ready while its client is connected and prepared', async () => {
    const attempt = connection.renew(0);
    expect(connection.ready).toBeNull();
    made[0]!.end();
    await attempt;
    expect([connection.ready, prepared]).toEqual([made[0], [made[0]]]);
    made[0]!.isReady = false;
    expect(connection.ready).toBeNull();
  });

  it('has the age of a ready client, from the end of its attempt', async () => {
    jest.useFakeTimers();
    const attempt = connection.renew(5000);
    await jest.advanceTimersByTimeAsync(300);
    expect(connection.ageAt(5300)).toBe(0);
    made[0]!.end();
    await attempt;
    expect(connection.ageAt(6000)).toBe(700);
    void connection.renew(7000);
    expect(connection.ageAt(8000)).toBe(0);
    connection.close();
    jest.useRealTimers();
  });

  it('tries again with another client when the first attempt failed', async () => {
    const attempt = connection.renew(0);
    made[0]!.end(new Error('refused'));
    await attempt;
    await until(() => made.length === 2);
    expect([made[0]!.isDestroyed, String(errors[0])]).toEqual([true, 'Error: refused']);
    made[1]!.end();
    await until(() => connection.ready === (made[1] as unknown));
  });

  it('replaces a client that hangs, and ignores the old one', async () => {
    void connection.renew(0);
    const second = connection.renew(5000);
    expect(made[0]!.isDestroyed).toBe(true);
    made[0]!.failed(new Error('old'));
    made[0]!.end(new Error('old'));
    made[1]!.end();
    await second;
    expect([connection.ready, errors, made.length]).toEqual([made[1], [], 2]);
  });

  it('destroys a replaced client that connects after all, without preparing it', async () => {
    const first = connection.renew(0);
    const second = connection.renew(5000);
    made[0]!.end();
    made[1]!.end();
    await Promise.all([first, second]);
    expect([prepared, connection.ready]).toEqual([[made[1]], made[1]]);
    expect([made[0]!.destroyed, made[0]!.isReady]).toEqual([2, false]);
  });

  it('passes on later errors', async () => {
    const attempt = connection.renew(0);
    made[0]!.end();
    await attempt;
    made[0]!.failed(new Error('reset'));
    expect(errors.map(String)).toEqual(['Error: reset']);
  });

  it('stays closed', async () => {
    const attempt = connection.renew(0);
    connection.close();
    made[0]!.end();
    await attempt;
    await connection.renew(1);
    expect([connection.ready, made.length, made[0]!.isDestroyed]).toEqual([null, 1, true]);
  });
});

describe('reconnectDelay', () => {
  it('grows to a second, and differs between nodes', () => {
    const delays = Array.from({ length: 200 }, (_, attempt) => reconnectDelay(attempt % 20));
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(25);
    expect(new Set(delays).size).toBe(200);
    expect(reconnectDelay(20)).toBeGreaterThanOrEqual(500);
  });
});

const missing = () => Promise.reject(new Error("Cannot find package '@redis/client'"));

describe('redisClients', () => {
  const cluster = { redisUrl: undefined, nodeName: 'n', namespace: 'x', leaseMs: 3000, requestTimeoutMs: 1 };

  it('duplicates a client of one server, with its socket and the library’s timeouts', async () => {
    const given: object[] = [];
    const client = {
      options: { socket: { tls: true, host: 'h' } },
      duplicate: (options: object) => (given.push(options), {}),
    };
    const { make, isCluster } = await redisClients({ ...cluster, client });
    make();
    expect([isCluster, given[0]]).toEqual([
      false,
      expect.objectContaining({
        disableOfflineQueue: true,
        socket: { tls: true, host: 'h', connectTimeout: 1000, reconnectStrategy: reconnectDelay },
      }),
    ]);
  });

  it('duplicates clients of Sentinel and Cluster as a whole', async () => {
    const given: unknown[] = [];
    const duplicate = (options?: object) => (given.push(options), {});
    for (const client of [{ duplicate }, { duplicate, masters: [] }]) {
      const { make, isCluster } = await redisClients({ ...cluster, client });
      make();
      expect(isCluster).toBe('masters' in client);
    }
    expect(given).toEqual([{}, { minimizeConnections: true }]);
  });

  it('creates clients from a URL', async () => {
    const { make, isCluster } = await redisClients({ ...cluster, redisUrl: 'redis://127.0.0.1:1', client: undefined });
    expect([isCluster, make().isReady]).toEqual([false, false]);
  });

  it('names the command to install a missing package', async () => {
    await expect(redisClients({ ...cluster, redisUrl: 'redis://x', client: undefined }, missing)).rejects.toMatchObject(
      {
        code: 'HEARTBEAT_REDIS_MISSING',
        message: expect.stringMatching(/npm install @redis\/client/),
      },
    );
  });
});
