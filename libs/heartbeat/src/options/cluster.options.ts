/**
 * What `cluster.client` needs of a client of `@redis/client`: one server's, Sentinel's or Cluster's. It is only duplicated, with its
 * address, credentials and TLS, and stays yours: it is never used, connected or closed.
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
   * A client in the place of a URL, for Sentinel, Cluster, or credentials that change. Excludes `redisUrl`.
   * Default: none.
   */
  client: RedisClientSource | undefined;
  /**
   * The node's name, of 1 to 200 letters, digits, `_`, `-` and `.`; its id is the name and a random part for each boot.
   * Default: the host name.
   */
  nodeName: string;
  /**
   * What all keys and channels in Redis begin with; the nodes of one cluster share it.
   * Default: `heartbeat`.
   */
  namespace: string;
  /**
   * A node that has not been heard of for this long counts as dead; at least three times the second after which each node
   * renews its lease.
   * Default: 15000.
   */
  leaseMs: number;
  /**
   * How long other nodes have for an answer; those that are silent are named, never waited for.
   * Default: 1000.
   */
  requestTimeoutMs: number;
}
