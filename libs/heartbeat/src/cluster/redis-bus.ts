import type { Clock } from '../clock.js';
import type { ClusterOptions } from '../cluster.options.js';
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
import { type RedisClients, redisClients } from './redis-clients.js';
import { RedisConnection } from './redis-connection.js';
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
import { within } from './within.js';

/** A command that takes longer has failed: whoever waits at the door must not wait for Redis. */
const COMMAND_TIMEOUT_MS = 500;
/** A connection on which nothing was answered, or heard, for so long is replaced. */
const SILENT_MS = 2500;
/** Messages that Redis has not taken yet may be so large together; more are dropped. */
const MAX_BYTES_UNDER_WAY = 16 * 1024 * 1024;
/** What a node says to itself with each renewal, so that a subscription that has died in silence is noticed. */
const ECHO = 'echo';

/**
 * The bus over Redis 7. Two connections: one for commands, one that listens. While commands fail, only `renew` goes out, once in a
 * second, so a Redis that hangs keeps nobody waiting and nothing piles up.
 */
export class RedisBus implements ClusterBus {
  readonly isShared = true;
  readonly #key: string;
  #listener: BusListener = { message: () => undefined, availability: () => undefined, failed: () => undefined };
  #clients: RedisClients | null = null;
  #commands: RedisConnection | null = null;
  #subscription: RedisConnection | null = null;
  #self = '';
  #isUp = false;
  #answeredAt = 0;
  #heardAt = 0;
  #bytesUnderWay = 0;

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
    this.#answeredAt = this.#heardAt = now;
    const first = Promise.all([this.#commands.renew(now), this.#subscription.renew(now)]);
    await within(first, this.options.requestTimeoutMs, 'the first connection to Redis').catch(() => undefined);
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
    if (this.#bytesUnderWay + bytes > MAX_BYTES_UNDER_WAY) throw new Error('Redis does not take messages fast enough');
    this.#bytesUnderWay += bytes;
    const channel = this.#channel(to);
    const sent = this.#clients?.isCluster ? client.sPublish(channel, message) : client.publish(channel, message);
    try {
      await this.#within(sent);
    } finally {
      this.#bytesUnderWay -= bytes;
    }
  }

  async renew(leaseMs: number, summary: string): Promise<Renewal> {
    this.#replaceSilent();
    const reply = await this.#run(RENEW, [this.#self, String(leaseMs), summary], true);
    const [isNew, nodes, banVersion, now] = reply;
    this.#setUp(true);
    this.publish(this.#self, ECHO).catch((error: unknown) => this.#listener.failed(error));
    return { isNew: isNew === '1', nodes: Number(nodes), banVersion: Number(banVersion), now: Number(now) };
  }

  async leave(): Promise<void> {
    await this.#run(LEAVE, [this.#self]);
  }

  async leases(): Promise<Lease[]> {
    const reply = await this.#run(LEASES, []);
    return inGroups(reply, 3).map(([nodeId = '', ageMs, summary = '']) => ({ nodeId, ageMs: Number(ageMs), summary }));
  }

  async hasLease(nodeId: string): Promise<boolean> {
    const [has] = await this.#run(HAS_LEASE, [nodeId]);
    return has === '1';
  }

  async putBan({ id, text, forMs }: SharedBan): Promise<void> {
    await this.#run(PUT_BAN, [id, text, String(Math.ceil(forMs))]);
  }

  async dropBan(id: string, forMs: number): Promise<void> {
    await this.#run(DROP_BAN, [id, String(Math.ceil(forMs))]);
  }

  async bans(since: number): Promise<BanChanges> {
    const [version, ...changes] = await this.#run(CHANGED_BANS, [String(since)]);
    const all = inGroups(changes, 3).map(([id = '', forMs, text = '']) => ({ id, forMs: Number(forMs), text }));
    return {
      version: Number(version),
      put: all.filter(ban => !isLifted(ban)),
      dropped: all.filter(isLifted).map(({ id }) => id),
    };
  }

  async stateUsers(statements: readonly UserStatement[], limit?: number): Promise<UserCount[]> {
    const words = [this.#self, limit === undefined ? '' : String(limit), ...statements.flatMap(wordsOf)];
    return inGroups(await this.#run(STATE_USERS, words), 4).map(([isTaken, total, nodeId = '', serial]) => {
      const oldest = nodeId === '' ? null : { nodeId, serial: Number(serial) };
      return { isTaken: isTaken === '1', total: Number(total), oldest };
    });
  }

  /** Channels of nodes are spread over the servers of a Redis Cluster; what goes to all has one place. */
  #channel(to: string | null): string {
    return to === null ? `${this.options.namespace}:all` : `${this.options.namespace}:node:${to}`;
  }

  async #subscribe(client: ReturnType<RedisClients['make']>): Promise<void> {
    const hear = (message: string) => {
      this.#heardAt = this.clock.now();
      if (message !== ECHO) this.#listener.message(message);
    };
    const channels = [this.#channel(null), this.#channel(this.#self)];
    if (!this.#clients?.isCluster) return void (await client.subscribe(channels, hear));
    for (const channel of channels) await client.sSubscribe(channel, hear);
  }

  /** The texts of a script's reply. */
  async #run(script: Script, words: string[], evenIfDown = false): Promise<string[]> {
    const client = this.#commands?.ready;
    if (!client || !(this.#isUp || evenIfDown)) {
      this.#setUp(false);
      throw new Error(UNREACHABLE);
    }
    const given = { keys: [this.#key], arguments: words };
    const reply = await this.#within(
      client.evalSha(script.sha, given).catch((error: unknown) => {
        if (!String(error).includes('NOSCRIPT')) throw error;
        return client.eval(script.text, given);
      }),
    );
    return Array.isArray(reply) ? reply.map(String) : [String(reply)];
  }

  async #within<Reply>(reply: Promise<Reply>): Promise<Reply> {
    try {
      const answer = await within(reply, Math.min(COMMAND_TIMEOUT_MS, this.options.requestTimeoutMs), 'Redis');
      this.#answeredAt = this.clock.now();
      return answer;
    } catch (error) {
      this.#setUp(false);
      throw error;
    }
  }

  #replaceSilent(): void {
    const now = this.clock.now();
    const isSilent = (connection: RedisConnection | null, since: number) =>
      now - since > SILENT_MS && (connection?.ageAt(now) ?? 0) > SILENT_MS;
    if (isSilent(this.#commands, this.#answeredAt)) void this.#commands?.renew(now);
    if (this.#isUp && isSilent(this.#subscription, this.#heardAt)) {
      this.#listener.failed(new Error('nothing was heard on the subscription'));
      void this.#subscription?.renew(now);
    }
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

/** What is left of a ban that was lifted. */
function isLifted({ text }: SharedBan): boolean {
  return text === '';
}

function wordsOf({ userId, count, oldestAt, oldestSerial }: UserStatement): string[] {
  return [userId, String(count), String(Math.round(oldestAt)), String(oldestSerial)];
}

function inGroups(words: readonly string[], size: number): string[][] {
  return Array.from({ length: words.length / size }, (_, place) => words.slice(place * size, (place + 1) * size));
}
