import { hostname } from 'node:os';

import { z } from 'zod';

import { group, milliseconds } from './checkers.js';

const redisUrlRule = 'must be a URL such as "redis://127.0.0.1:6379", or "rediss://" for TLS';
const namespaceRule = 'must be a text of 1 to 100 letters, digits, "_", "-", "." and ":"';
const nodeNameRule = 'must be a text of 1 to 200 letters, digits, "_", "-" and "."';

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

export const CLUSTER_DEFAULTS: ClusterOptions = {
  redisUrl: undefined,
  client: undefined,
  nodeName: nodeNameOf(hostname()),
  namespace: 'heartbeat',
  leaseMs: 15_000,
  requestTimeoutMs: 1000,
};

export const CLUSTER_RULES = group<ClusterOptions>({
  redisUrl: z.string(redisUrlRule).refine(isRedisUrl, redisUrlRule),
  client: z.custom(
    value => typeof (value as { duplicate?: unknown })?.duplicate === 'function',
    'must be a client of @redis/client: one that createClient, createSentinel or createCluster made',
  ),
  nodeName: z.string(nodeNameRule).regex(/^[\w.-]{1,200}$/, nodeNameRule),
  namespace: z.string(namespaceRule).regex(/^[\w.:-]{1,100}$/, namespaceRule),
  leaseMs: milliseconds(1),
  requestTimeoutMs: milliseconds(1),
});

/** Turns a host name into a node's name, which is part of ids, URLs, log lines and names of Redis channels. */
export function nodeNameOf(host: string): string {
  return host.replaceAll(/[^\w.-]/g, '-').slice(0, 200) || 'node';
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, host, pathname, username, password } = new URL(text);
  // The path is the number of a database. A wrong encoding would stop the client.
  return /^rediss?:$/.test(protocol) && host !== '' && /^(\/\d*)?$/.test(pathname) && isEncoded(username + password);
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
