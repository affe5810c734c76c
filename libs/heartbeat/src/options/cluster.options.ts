/**
 * The part of a client of `@redis/client` that `cluster.client` needs: of one server, Sentinel or Cluster. It is only duplicated, with its
 * address, credentials and TLS, and belongs to the application: it is never used, connected or closed.
 */
export interface RedisClientSource {
  duplicate(overrides?: object): object;
}

/** Many nodes that behave like one, over Redis 7. With neither `redisUrl` nor `client` the node is a cluster of one. */
export interface ClusterOptions {
  /**
   * `redis://` or `rediss://[[user][:password]@]host[:port][/database]`; needs the package `@redis/client`. Excludes `client`.
   * Default: none.
   */
  redisUrl: string | undefined;
  /**
   * A client instead of a URL, for Sentinel, Cluster, or credentials that change. Excludes `redisUrl`.
   * Default: none.
   */
  client: RedisClientSource | undefined;
  /**
   * The node's name, of 1 to 200 letters, digits, `_`, `-` and `.`; its id is the name and a random part for each boot.
   * Default: the host name.
   */
  nodeName: string;
  /**
   * Prefix of all Redis keys and channels; equal on all nodes of a cluster.
   * Default: `heartbeat`.
   */
  namespace: string;
  /**
   * A node without renewal for this long is dead; at least three times the second after which each node
   * renews its lease.
   * Default: 15000.
   */
  leaseMs: number;
  /**
   * Time for the response of another node; silent nodes are named, never waited for.
   * Default: 1000.
   */
  requestTimeoutMs: number;
}
