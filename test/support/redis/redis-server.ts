import { createClient } from '@redis/client';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../servers/free-port.js';
import { until } from '../assert/until.js';

/** How a {@link RedisServer} is started. */
export interface RedisServerOptions {
  readonly password?: string;
  /** Further lines of its configuration. */
  readonly config?: readonly string[];
  /** Runs as a sentinel (`config` names the server that it monitors), or as a server of a Redis Cluster. */
  readonly as?: 'sentinel' | 'cluster-node';
}

/**
 * A real redis-server as a process of its own, on a free port of 127.0.0.1, with nothing on the disk: once restarted, it is empty.
 * End all of a file's with {@link RedisServer.stopAll} in an `afterAll` or `afterEach`.
 */
export class RedisServer {
  static readonly #all = new Set<RedisServer>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'redis-'));
  #child: ChildProcess | null = null;
  #output = '';
  #isPaused = false;
  /** A connection that waits for the next command. */
  #idle: typeof TEMPLATE | null = null;
  #password: string | undefined;

  private constructor(
    readonly port: number,
    /** Where servers of a Redis Cluster talk to each other. */
    private readonly busPort: number,
    private readonly options: RedisServerOptions,
  ) {
    RedisServer.#all.add(this);
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const server = new RedisServer(await freePort(), await freePort(), options);
      try {
        await server.restart();
        return server;
      } catch (error) {
        // A port that was free a moment ago may be in use by now.
        if (attempt === ATTEMPTS || !server.#output.includes('Address already in use')) throw error;
      }
    }
  }

  static async stopAll(): Promise<void> {
    await Promise.all([...RedisServer.#all].map(server => server.#remove()));
  }

  /** With the password, as a client is given it. */
  get url(): string {
    return this.urlBy(this.port);
  }

  /** The same server behind another port: that of a proxy. */
  urlBy(port: number): string {
    return `redis://${this.#password === undefined ? '' : `:${this.#password}@`}127.0.0.1:${port}`;
  }

  /** Starts it, empty, on the same port as before, and waits until it answers. */
  async restart(): Promise<void> {
    const { password, config = [], as } = this.options;
    this.#password = password;
    const file = join(this.#folder, 'redis.conf');
    const lines = ['bind 127.0.0.1', `port ${this.port}`, `dir ${this.#folder}`, ...config];
    if (as !== 'sentinel') lines.push('save ""');
    if (as === 'cluster-node') lines.push('cluster-enabled yes', `cluster-port ${this.busPort}`);
    if (password !== undefined) lines.push(`requirepass ${password}`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    const args = as === 'sentinel' ? [file, '--sentinel'] : [file];
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let failure: NodeJS.ErrnoException | null = null;
    child.once('error', error => (failure = error));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', text => (this.#output += String(text)));
    await until(
      async () => {
        if (failure !== null || child.exitCode !== null) throw this.#cannotStart(failure);
        return this.command('PING').catch(() => false);
      },
      { message: () => `redis-server to answer:\n${this.#output}` },
    );
  }

  /** Kills it, as a crash does. Also when it is paused. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    this.#isPaused = false;
    this.#takeIdle()?.destroy();
    if (child === null || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** From now on it answers nothing, and closes nothing. */
  pause(): void {
    this.#isPaused = true;
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#isPaused = false;
    this.#child?.kill('SIGCONT');
  }

  /** Takes another password from now on, until it is restarted, and disconnects all clients. */
  async changePassword(password: string): Promise<void> {
    await this.command('CONFIG', 'SET', 'requirepass', password);
    this.#password = password;
    for (const type of ['normal', 'pubsub']) await this.command('CLIENT', 'KILL', 'TYPE', type);
  }

  /** One command, over a connection that is kept for the next; rejects while it is paused. */
  async command(...words: string[]): Promise<unknown> {
    if (this.#isPaused) throw new Error('redis-server is paused');
    const client = this.#takeIdle() ?? this.#newClient();
    try {
      if (!client.isOpen) await client.connect();
      return await client.sendCommand(words);
    } finally {
      if (client.isReady && this.#idle === null && this.#child !== null) this.#idle = client;
      else if (client.isOpen) client.destroy();
    }
  }

  #takeIdle(): typeof TEMPLATE | null {
    const idle = this.#idle;
    this.#idle = null;
    return idle?.isReady ? idle : null;
  }

  #newClient(): typeof TEMPLATE {
    const client = TEMPLATE.duplicate({ url: this.url, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined);
    return client;
  }

  /** The lines of `INFO <section>`, by name. */
  async info(section: string): Promise<Map<string, string>> {
    const text = String(await this.command('INFO', section));
    const pairs = [...text.matchAll(/^([\w|-]+):(.*?)\r?$/gm)];
    return new Map(pairs.map(([, name = '', value = '']) => [name, value]));
  }

  /** How often each command was called since {@link resetCounts}; this one's own are left out. */
  async commandCounts(): Promise<Record<string, number>> {
    const counts = [...(await this.info('commandstats'))].map(([name, value]) => {
      return [name.replace('cmdstat_', ''), Number(/calls=(\d+)/.exec(value)?.[1])] as const;
    });
    return Object.fromEntries(counts.filter(([name]) => !OWN_COMMANDS.test(name)));
  }

  async resetCounts(): Promise<void> {
    await this.command('CONFIG', 'RESETSTAT');
  }

  async #remove(): Promise<void> {
    RedisServer.#all.delete(this);
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #cannotStart(failure: NodeJS.ErrnoException | null): Error {
    if (failure?.code !== 'ENOENT') return new Error(`redis-server ended:\n${failure?.message ?? this.#output}`);
    return new Error('redis-server is missing, as root: apt-get install -y --no-install-recommends redis-server');
  }
}

const ATTEMPTS = 3;
/** `createClient` makes a class with all commands, which takes 60 ms of CPU; a duplicate shares it, whatever its address. */
const TEMPLATE = createClient();
/** The commands that {@link RedisServer.command} sends at its connection, and those that read and reset the counts. */
const OWN_COMMANDS = /^(info|hello|client\|setinfo|config\|resetstat)$/;
