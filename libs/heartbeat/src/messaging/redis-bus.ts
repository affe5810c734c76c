import type { Clock } from '../base/clock.js';
import type { ClusterOptions } from '../options/cluster.options.js';
import { SubscriptionWatchdog } from './subscription-watchdog.js';
import type {
  BanChanges,
  BusListener,
  ClusterBus,
  Lease,
  Renewal,
  SharedBan,
  UserCount,
  UserStatement,
} from './cluster-bus.js';
import { RedisAudit } from './redis-audit.js';
import { CommandsUnderWay } from './commands-under-way.js';
import { type RedisClients, redisClients } from './redis-clients.js';
import { RedisConnection } from './redis-connection.js';
import { RedisRecords } from './redis-records.js';
import { RedisLimits } from './redis-limits.js';
import {
  CHANGED_BANS,
  DROP_BAN,
  HAS_LEASE,
  LEASES,
  LEAVE,
  nodesKey,
  PUT_BAN,
  RENEW,
  type Script,
  STATE_USERS,
} from './redis-scripts.js';
import { banChangesOf, leasesOf, renewalOf, userCountsOf, type Weight, wordsOf } from './redis-codec.js';
import { withTimeout } from './with-timeout.js';

/** A slower command has failed: clients that wait for admission must not wait for Redis. */
const COMMAND_TIMEOUT_MS = 500;
/** A connection without a reply or a message for this long is replaced. */
const SILENT_MS = 2500;
/** In a Cluster, the connection for commands is replaced where a channel takes no message for this long. */
const REFUSED_MS = 1200;
/** A connection is not replaced before it has been ready for this long, which is more than the interval of its own echo. */
const MIN_AGE_MS = 1500;
/** A message to the node itself with each renewal, and to all where no other node sends it. It detects connections that died in silence. */
const ECHO = 'echo';
/** A little less than the interval of renewals. */
const ECHO_MS = 900;

/**
 * The bus over Redis 7. It has two connections: one for commands, one for subscriptions. While commands fail, only `renew` is sent, once in
 * a second, so that a hanging Redis delays no caller and nothing accumulates. In a Cluster one server may hang while the others respond, so
 * each channel is watched separately.
 */
export class RedisBus implements ClusterBus {
  readonly isShared = true;
  readonly audit = new RedisAudit((script, words) => this.#run(script, words, 'minor'));
  readonly records = new RedisRecords((script, words) => this.#run(script, words, 'minor'));
  readonly limits = new RedisLimits((script, words) => this.#run(script, words, 'minor'));
  readonly #key: string;
  readonly #underWay = new CommandsUnderWay();
  #listener: BusListener = { message: () => undefined, availability: () => undefined, failed: () => undefined };
  #clients: RedisClients | null = null;
  #commands: RedisConnection | null = null;
  #subscription: RedisConnection | null = null;
  #self = '';
  #isUp = false;
  #answeredAt = 0;
  #watch = new SubscriptionWatchdog([], 0);

  constructor(
    private readonly options: ClusterOptions,
    private readonly clock: Clock,
  ) {
    this.#key = nodesKey(options.namespace);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  async start(nodeId: string, listener: BusListener): Promise<void> {
    this.#self = nodeId;
    this.#listener = listener;
    const clients = await redisClients(this.options);
    this.#clients = clients;
    const failed = (error: unknown) => this.#connectionFailed(error);
    this.#commands = new RedisConnection(clients.make, async () => undefined, failed);
    this.#subscription = new RedisConnection(clients.make, client => this.#subscribe(client), failed);
    const now = this.clock.now();
    this.#answeredAt = now;
    // Where all channels are on one server, one channel is representative.
    this.#watch = new SubscriptionWatchdog(this.#isCluster ? [this.#ofAll, this.#ofSelf] : [this.#ofSelf], now);
    const first = Promise.all([this.#commands.renew(now), this.#subscription.renew(now)]);
    await withTimeout(first, this.options.requestTimeoutMs, 'the first connection to Redis').catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#isUp = false;
    this.#commands?.close();
    this.#subscription?.close();
    this.#commands = this.#subscription = null;
  }

  async publish(to: string | null, message: string): Promise<void> {
    const client = this.#commands?.ready;
    const bytes = Buffer.byteLength(message);
    if (!this.#isUp || !client) throw new Error(UNREACHABLE);
    const channel = this.#channel(to);
    const send = () => (this.#isCluster ? client.sPublish(channel, message) : client.publish(channel, message));
    await this.#within(send, bytes).catch((error: unknown) => {
      if (this.#isCluster) this.#watch.refused(channel, this.clock.now());
      throw error;
    });
    this.#watch.taken(channel, this.clock.now());
  }

  async renew(leaseMs: number, summary: string): Promise<Renewal> {
    this.#replaceSilent();
    const reply = await this.#run(RENEW, [this.#self, String(leaseMs), summary], 'urgent');
    this.#setUp(true);
    this.#echo();
    return renewalOf(reply);
  }

  async leave(): Promise<void> {
    await this.#run(LEAVE, [this.#self]);
  }

  async leases(): Promise<Lease[]> {
    return leasesOf(await this.#run(LEASES, []));
  }

  async hasLease(nodeId: string): Promise<boolean> {
    const [has] = await this.#run(HAS_LEASE, [nodeId]);
    return has === '1';
  }

  async putBan({ id, text, forMs }: SharedBan): Promise<boolean> {
    const [isTaken] = await this.#run(PUT_BAN, [id, text, String(Math.ceil(forMs))], 'minor');
    return isTaken === '1';
  }

  async dropBan(id: string, forMs: number): Promise<void> {
    await this.#run(DROP_BAN, [id, String(Math.ceil(forMs))], 'minor');
  }

  async bans(since: number, limit: number): Promise<BanChanges> {
    return banChangesOf(await this.#run(CHANGED_BANS, [String(since), String(limit)], 'minor'));
  }

  async stateUsers(statements: readonly UserStatement[], limit?: number): Promise<UserCount[]> {
    const words = [this.#self, limit === undefined ? '' : String(limit), ...statements.flatMap(wordsOf)];
    return userCountsOf(await this.#run(STATE_USERS, words));
  }

  /** Channels of nodes are distributed over the servers of a Redis Cluster. The channel to all is on one server. */
  #channel(to: string | null): string {
    return to === null ? `${this.options.namespace}:all` : `${this.options.namespace}:node:${to}`;
  }

  get #ofAll(): string {
    return this.#channel(null);
  }

  get #ofSelf(): string {
    return this.#channel(this.#self);
  }

  get #isCluster(): boolean {
    return this.#clients?.isCluster === true;
  }

  /** Sends to all only where no node was received since the last renewal: one node in a second does it, for any number of nodes. */
  #echo(): void {
    const isQuiet = this.#watch.silent(this.clock.now(), ECHO_MS).includes(this.#ofAll);
    for (const to of isQuiet ? [this.#self, null] : [this.#self]) {
      this.publish(to, ECHO).catch((error: unknown) => this.#listener.failed(error));
    }
  }

  async #subscribe(client: ReturnType<RedisClients['make']>): Promise<void> {
    const received = (message: string, channel: string) => {
      this.#watch.received(channel, this.clock.now());
      if (message !== ECHO) this.#listener.message(message);
    };
    const channels = [this.#ofAll, this.#ofSelf];
    if (!this.#isCluster) return void (await client.subscribe(channels, received));
    await Promise.all(channels.map(channel => client.sSubscribe(channel, received)));
  }

  /** Runs a script, and returns the texts of its reply. */
  async #run(script: Script, words: string[], weight: Weight = 'usual'): Promise<string[]> {
    const client = this.#commands?.ready;
    if (!client || !(this.#isUp || weight === 'urgent')) {
      this.#setUp(false);
      throw new Error(UNREACHABLE);
    }
    const given = { keys: [this.#key], arguments: words };
    const send = () =>
      client.evalSha(script.sha, given).catch((error: unknown) => {
        if (!String(error).includes('NOSCRIPT')) throw error;
        return client.eval(script.text, given);
      });
    const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word), 0);
    const reply = await this.#within(send, bytes, weight);
    return Array.isArray(reply) ? reply.map(String) : [String(reply)];
  }

  async #within<Reply>(send: () => Promise<Reply>, bytes: number, weight: Weight = 'usual'): Promise<Reply> {
    const done = this.#underWay.add(bytes, weight === 'urgent');
    try {
      const answer = await withTimeout(send(), Math.min(COMMAND_TIMEOUT_MS, this.options.requestTimeoutMs), 'Redis');
      this.#answeredAt = this.clock.now();
      return answer;
    } catch (error) {
      if (weight !== 'minor') this.#setUp(false);
      throw error;
    } finally {
      done();
    }
  }

  /** Replaces connections without replies or messages, unless they are new. */
  #replaceSilent(): void {
    const now = this.clock.now();
    const isOld = (connection: RedisConnection | null) => (connection?.ageAt(now) ?? 0) > MIN_AGE_MS;
    const answers = now - this.#answeredAt <= SILENT_MS;
    // The channel of another node may be on a server that this node uses for nothing else.
    const isStuck = !answers || this.#watch.stuck(now, SILENT_MS).length > 0 || this.#watch.refuses(now, REFUSED_MS);
    if (isStuck && isOld(this.#commands)) void this.#commands?.renew(now).then(() => this.#watch.replaced());
    const silent = this.#watch.silent(now, SILENT_MS);
    if (silent.length === 0 || !isOld(this.#subscription)) return;
    if (answers) this.#listener.failed(new Error(`no message arrived on ${silent.join(' and ')}`));
    void this.#subscription?.renew(now);
  }

  #connectionFailed(error: unknown): void {
    this.#listener.failed(error);
    if (this.#commands?.ready === null) this.#setUp(false);
  }

  #setUp(isUp: boolean): void {
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    this.#listener.availability(isUp);
  }
}

const UNREACHABLE = 'Redis cannot be reached';
