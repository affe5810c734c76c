import { HeartbeatError } from '../base/heartbeat.error.js';
import type { ClusterOptions } from '../options/cluster.options.js';

/** The used part of a `@redis/client` client, which is the same for one server, Sentinel and Cluster. */
export interface RedisClient {
  readonly isReady: boolean;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
  evalSha(sha: string, options: ScriptArguments): Promise<unknown>;
  eval(text: string, options: ScriptArguments): Promise<unknown>;
  publish(channel: string, message: string): Promise<unknown>;
  sPublish(channel: string, message: string): Promise<unknown>;
  subscribe(channels: string[], listener: (message: string, channel: string) => void): Promise<unknown>;
  sSubscribe(channel: string, listener: (message: string, channel: string) => void): Promise<unknown>;
}

export interface ScriptArguments {
  readonly keys: string[];
  readonly arguments: string[];
}

/** Creates clients of the kind that the options configure. */
export interface RedisClients {
  make(): RedisClient;
  /** Whether the server is a Redis Cluster, in which only sharded pub/sub is distributed over its servers. */
  readonly isCluster: boolean;
}

const CONNECT_TIMEOUT_MS = 1000;
const MAX_RECONNECT_MS = 1000;
/** Twice the number of pending commands of the bus: more would only wait for commands that have already failed. */
const MAX_QUEUED_COMMANDS = 20_000;

/** Delay before the next attempt. It grows with each attempt, and is different on each node. */
export function reconnectDelay(attempt: number): number {
  return Math.min(MAX_RECONNECT_MS, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
}

/** The used part of `@redis/client`. */
export interface RedisPackage {
  createClient(options: object): object;
}

/**
 * @throws HeartbeatError `HEARTBEAT_REDIS_MISSING` (as a rejection) when `cluster.redisUrl` is given and `@redis/client` is not installed.
 */
export async function redisClients(
  { redisUrl, client }: ClusterOptions,
  load: () => Promise<RedisPackage> = () => import('@redis/client'),
): Promise<RedisClients> {
  if (client !== undefined) {
    const isCluster = 'masters' in client;
    return { isCluster, make: () => client.duplicate(overridesFor(client)) as RedisClient };
  }
  const { createClient } = await loaded(load);
  // The package modifies the options, so each client has its own.
  const make = () => createClient({ url: redisUrl, ...QUICK_TO_FAIL, socket: { ...SOCKET } }) as RedisClient;
  return { isCluster: false, make };
}

const QUICK_TO_FAIL = { disableOfflineQueue: true, commandsQueueMaxLength: MAX_QUEUED_COMMANDS };
const SOCKET = { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: reconnectDelay };

/**
 * The options of a one-server client contain its address. Clients of Sentinel and Cluster can only be duplicated as a whole. Connections to
 * servers of a Cluster are opened on demand, since a hanging one must not block the others.
 */
function overridesFor(client: object): object {
  if ('masters' in client) return { minimizeConnections: true };
  const { options } = client as { readonly options?: { readonly socket?: object } };
  return options === undefined ? {} : { ...QUICK_TO_FAIL, socket: { ...options.socket, ...SOCKET } };
}

/** Loaded on demand, so that applications without `cluster.redisUrl` need not install it. */
async function loaded(load: () => Promise<RedisPackage>): Promise<RedisPackage> {
  try {
    return await load();
  } catch (error) {
    throw new HeartbeatError(
      'HEARTBEAT_REDIS_MISSING',
      `cluster.redisUrl needs the package @redis/client, which could not be loaded (${String(error)}): npm install @redis/client`,
    );
  }
}
