/**
 * The part of a `@redis/client` client (one server, Sentinel or Cluster) that `cluster.client` needs. The library duplicates the client,
 * with its address, credentials and TLS. It never uses, connects or closes the client itself.
 */
export interface RedisClientSource {
  duplicate(overrides?: object): object;
}

/** Connects many nodes to one cluster over Redis 7. With neither `redisUrl` nor `client` the node is a cluster of one. */
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
   * The node's name: 1 to 200 letters, digits, `_`, `-` and `.`. The node's id is the name and a random part for each start.
   * Default: the host name.
   */
  nodeName: string;
  /**
   * Prefix of all keys and channels in Redis. All nodes of one cluster use the same.
   * Default: `heartbeat`.
   */
  namespace: string;
  /**
   * A node that does not renew its lease for this long counts as dead. At least three times the second after which each node renews it.
   * Default: 15000.
   */
  leaseMs: number;
  /**
   * Time for the response of another node. Nodes without a response are listed in the result.
   * Default: 1000.
   */
  requestTimeoutMs: number;
}
