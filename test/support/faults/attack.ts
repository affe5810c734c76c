import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import type { HeartbeatOptions } from 'nestjs-heartbeat';
import { ask } from '../clients/ask.js';
import type { ServerState } from '../servers/hostile-server.js';
import { Observer, type ObserverReport } from '../assert/observer.js';
import { RawClient, type RawClientOptions } from '../clients/raw-client.js';
import { Program } from '../servers/program.js';
import { ServerProcess } from '../servers/server-process.js';
import { until } from '../assert/until.js';

const PAGE_BYTES = 4096;
/** How often the process's memory is read. */
const SAMPLE_MS = 20;

/** The most that one hostile connection may cost: docs/guarantees.md. */
export const MAX_COST_BYTES = 10 * 1024 * 1024;
/**
 * Lets V8 collect garbage soon. Left alone it lets some 110 MB wait in any process that is busy, whether one client keeps it so or
 * ten, and the cost of each would not be visible.
 */
export const COLLECT_SOON = ['--max-semi-space-size=2', '--heap-growing-percent=20'];
/** The bound for a well-behaved client. */
export const MAX_P99_MS = 250;

export interface AttackOptions {
  readonly options?: HeartbeatOptions;
  /** One of the ways of `hostile-server.ts`. */
  readonly authenticate?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  /** Without one where an observer would disturb exact counts. */
  readonly observer?: boolean;
}

/** A server in a process of its own under attack, with a well-behaved client in a third one, and the watch on both. */
export class Attack {
  static readonly #running = new Set<Attack>();
  /** Compiled once for all attacks of a file. */
  static #program: Promise<Program> | null = null;
  readonly #clients: RawClient[] = [];
  #peakBytes = 0;
  #restingBytes = 0;
  #since = { ran: 0, waited: 0 };
  #closedBefore = 0;
  #sampler: NodeJS.Timeout | null = null;

  private constructor(
    readonly server: ServerProcess,
    readonly observer: Observer | null,
  ) {}

  static async lay({ options = {}, authenticate, env = {}, ...rest }: AttackOptions = {}): Promise<Attack> {
    Attack.#program ??= Program.compile('support/servers/hostile-server');
    const { entry } = await Attack.#program;
    const starting = ServerProcess.start({
      entry,
      nodeArgs: rest.nodeArgs ?? [],
      env: { ...env, OPTIONS: JSON.stringify(options), ...(authenticate && { AUTHENTICATE: authenticate }) },
    });
    const observed = (rest.observer ?? true) ? Observer.start(starting.then(({ port }) => port)) : null;
    const [server, observer] = await Promise.all([starting, observed]);
    const attack = new Attack(server, observer);
    Attack.#running.add(attack);
    attack.#restingBytes = (await attack.state()).rssBytes;
    await attack.begin();
    attack.#sampler = setInterval(() => attack.#sample(), SAMPLE_MS);
    return attack;
  }

  static async raiseAll(): Promise<void> {
    for (const attack of Attack.#running) {
      Attack.#running.delete(attack);
      if (attack.#sampler !== null) clearInterval(attack.#sampler);
      for (const client of attack.#clients) client.destroy();
    }
    await Observer.stopAll();
    await ServerProcess.stopAll();
  }

  /** Removes the program of this file. */
  static async forget(): Promise<void> {
    const program = await Attack.#program?.catch(() => null);
    Attack.#program = null;
    await program?.remove();
  }

  /**
   * Begins one more attack on the same server: closes, answers to the observer and the largest memory count from now on. The memory is
   * still compared with that of the server before its first attack.
   */
  async begin(): Promise<void> {
    this.#closedBefore = (await this.#closedHistory()).length;
    await this.observer?.begin();
    this.#peakBytes = 0;
    this.#since = scheduled(this.server.pid);
  }

  /** Whether the server's process is the one that was started. */
  get isAlive(): boolean {
    return isAlive(this.server.pid);
  }

  /** A client that is not connected yet; destroyed at the end. */
  client(options: Partial<RawClientOptions> = {}): RawClient {
    const client = new RawClient({ port: this.server.port, ...options });
    this.#clients.push(client);
    return client;
  }

  async opened(options: Partial<RawClientOptions> = {}): Promise<RawClient> {
    const client = this.client(options);
    const { status, body } = await client.open();
    if (status !== 101) throw new Error(`the upgrade was answered ${status}: ${body}`);
    return client;
  }

  /** Destroys all clients of this attack. */
  dismiss(): void {
    for (const client of this.#clients.splice(0)) client.destroy();
  }

  openClients(count: number, options: Partial<RawClientOptions> = {}): Promise<RawClient[]> {
    return Promise.all(Array.from({ length: count }, () => this.opened(options)));
  }

  async state(): Promise<ServerState> {
    return (await ask({ port: this.server.port, path: '/state' })).json as ServerState;
  }

  /** Waits until only the observer and `others` are connected. */
  async emptied(others = 0, timeoutMs = 10_000): Promise<void> {
    const left = others + (this.observer === null ? 0 : 1);
    let last = -1;
    await until(async () => (last = (await this.state()).connections) === left, {
      timeoutMs,
      message: () => `${left} connections; there are ${last}`,
    });
  }

  /** How the connections of this attack have closed, oldest first: `<code> <reason>`. */
  async closed(): Promise<string[]> {
    return (await this.#closedHistory()).slice(this.#closedBefore);
  }

  /** The largest growth of the server's memory, for each of `count` hostile connections. */
  costOfEach(count: number): number {
    this.#sample();
    return (this.#peakBytes - this.#restingBytes) / count;
  }

  /** Everything that a well-behaved client or the process's owner could complain of; empty when there is nothing. */
  async complaints(): Promise<string[]> {
    if (!this.isAlive) return [`the process has ended:\n${this.server.output.slice(-1500)}`];
    if (this.observer === null) return [];
    const report = await this.observer.report();
    return [...report.complaints, ...this.#slowness(report)];
  }

  /**
   * Only the server's share counts against the limit. A machine with other work stretches every time, and the
   * slowest replies more than in proportion: input that came while the server had to wait precedes them in its queue.
   */
  #slowness({ p99Ms, ownP99Ms, answers }: ObserverReport): string[] {
    const now = scheduled(this.server.pid);
    const ran = now.ran - this.#since.ran;
    const stretch = ran > 0 ? (ran + now.waited - this.#since.waited) / ran : 1;
    const most = MAX_P99_MS * stretch ** 2 + ownP99Ms;
    if (p99Ms <= most) return [];
    return [
      `99 of 100 of ${answers} answers took up to ${Math.round(p99Ms)} ms, which may be ${Math.round(most)} here`,
    ];
  }

  async #closedHistory(): Promise<string[]> {
    return (await ask({ port: this.server.port, path: '/state/closed' })).json as string[];
  }

  #sample(): void {
    try {
      const pages = Number(readFileSync(`/proc/${this.server.pid}/statm`, 'utf8').split(' ')[1]);
      this.#peakBytes = Math.max(this.#peakBytes, pages * PAGE_BYTES);
    } catch {
      // The process has ended, which the complaints will tell.
    }
  }
}

afterAll(() => Attack.forget());

/**
 * One server for the attacks of all tests of this group, which begin when the ones before have ended. A function gives options that are
 * known when the tests begin.
 */
export function attackedServer(options: AttackOptions | (() => AttackOptions) = {}): () => Attack {
  let attack: Attack;
  beforeAll(async () => {
    attack = await Attack.lay(typeof options === 'function' ? options() : options);
  });
  beforeEach(() => attack.begin());
  afterEach(async () => {
    attack.dismiss();
    await attack.emptied();
  });
  afterAll(() => Attack.raiseAll());
  return () => attack;
}

/**
 * How long a process's main thread has run, and how long the process was kept waiting for a processor (proc_pid_schedstat): all its
 * threads, since the main one waits for those that help it to collect garbage.
 */
function scheduled(pid: number): { ran: number; waited: number } {
  const of = (thread: string) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ').map(Number);
  const waits = readdirSync(`/proc/${pid}/task`).map(thread => of(thread)[1] ?? 0);
  return { ran: of(`${pid}`)[0] ?? 0, waited: waits.reduce((sum, wait) => sum + wait, 0) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
