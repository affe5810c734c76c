import { RedisServer } from '../support/redis/redis-server.js';
import { until } from '../support/assert/until.js';

/** A silence after which a sentinel calls the primary dead: short, for the tests' sake. */
const DOWN_AFTER_MS = 500;

/** A primary, its replica, and three sentinels that watch them; all are among those that `RedisServer.stopAll` ends. */
export class RedisSentinels {
  /** The sentinels' name of the primary. */
  readonly name = 'heartbeat';

  private constructor(
    /** The first one: after a failover it is not the primary any more. */
    readonly primary: RedisServer,
    readonly replica: RedisServer,
    private readonly sentinels: readonly RedisServer[],
  ) {}

  static async start(): Promise<RedisSentinels> {
    const primary = await RedisServer.start();
    const replica = await RedisServer.start({ config: [`replicaof 127.0.0.1 ${primary.port}`] });
    const config = [
      `sentinel monitor heartbeat 127.0.0.1 ${primary.port} 2`,
      `sentinel down-after-milliseconds heartbeat ${DOWN_AFTER_MS}`,
      'sentinel failover-timeout heartbeat 3000',
    ];
    const sentinels = await Promise.all([1, 2, 3].map(() => RedisServer.start({ config, as: 'sentinel' })));
    const all = new RedisSentinels(primary, replica, sentinels);
    await all.#know();
    return all;
  }

  /** Where clients ask for the primary. */
  get ports(): number[] {
    return this.sentinels.map(({ port }) => port);
  }

  /** Ends the primary, and resolves once the sentinels have made the replica one. */
  async failOver(): Promise<void> {
    await this.primary.kill();
    await until(async () => (await this.#replication())?.get('role') === 'master', {
      timeoutMs: 20_000,
      message: 'the sentinels to promote the replica',
    });
  }

  /** The role that the replica reports; null where it does not: sentinels disconnect all clients of a promoted server. */
  #replication(): Promise<Map<string, string> | null> {
    return this.replica.info('replication').catch(() => null);
  }

  /** Each sentinel knows the replica, which is linked, and the two others. */
  async #know(): Promise<void> {
    const heartbeat = /slaves=1,sentinels=3/;
    await until(
      async () => {
        const linked = (await this.#replication())?.get('master_link_status') === 'up';
        const views = await Promise.all(this.sentinels.map(sentinel => sentinel.info('sentinel')));
        return linked && views.every(view => heartbeat.test(view.get('master0') ?? ''));
      },
      { timeoutMs: 15_000, message: 'the sentinels to find each other' },
    );
  }
}
