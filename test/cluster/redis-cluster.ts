import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { RedisServer } from '../support/redis/redis-server.js';
import { until } from '../support/assert/until.js';

const run = promisify(execFile);
const NODES = 6;

/** A Redis Cluster: three primaries with a replica each. All are among those that `RedisServer.stopAll` ends. */
export class RedisCluster {
  private constructor(readonly servers: readonly RedisServer[]) {}

  static async start(): Promise<RedisCluster> {
    const servers = await Promise.all(
      Array.from({ length: NODES }, () =>
        RedisServer.start({ as: 'cluster-node', config: ['cluster-node-timeout 1000'] }),
      ),
    );
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
    await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);
    const cluster = new RedisCluster(servers);
    await cluster.whole();
    return cluster;
  }

  /** The first servers that clients contact. */
  get urls(): string[] {
    return this.servers.map(({ url }) => url);
  }

  /** The server that owns a key or a channel now. */
  async primaryOf(key: string): Promise<RedisServer> {
    const views = await this.#replication();
    const primaries = this.servers.filter((_, index) => views[index]?.get('role') === 'master');
    for (const server of primaries) {
      // Any other server refers to the one that has it.
      const isItsOwn = await server.command('GET', key).then(
        () => true,
        (error: unknown) => !String(error).includes('MOVED'),
      );
      if (isItsOwn) return server;
    }
    throw new Error(`no server has the slot of ${key}`);
  }

  /** Waits until there are three primaries, all slots are served, and every replica that answers is up to date. */
  async whole(): Promise<void> {
    await until(
      async () => {
        const views = (await this.#replication()).filter(view => view !== null);
        const replicas = views.filter(view => view.get('role') === 'slave');
        const linked = replicas.every(view => view.get('master_link_status') === 'up');
        return linked && views.length - replicas.length === NODES / 2 && (await this.#allSlotsServed());
      },
      { timeoutMs: 20_000, message: 'the cluster to be whole' },
    );
  }

  /** The role that each server reports; null where it does not answer. */
  #replication(): Promise<(Map<string, string> | null)[]> {
    return Promise.all(this.servers.map(server => server.info('replication').catch(() => null)));
  }

  async #allSlotsServed(): Promise<boolean> {
    const answers = await Promise.all(this.servers.map(server => server.command('CLUSTER', 'INFO').catch(() => null)));
    return answers.every(text => typeof text !== 'string' || text.includes('cluster_state:ok'));
  }
}
