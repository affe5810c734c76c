import { spawn, type ChildProcess } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { until } from '../assert/until.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ADDRESS = /http:\/\/([\w.-]+|\[[\da-f:]+\]):(\d+)/;

/** What `NO_LOAD` (no-load.ts) is for servers whose options a test gives. */
const NO_LOAD_ENV = Object.fromEntries(
  ['EVENT_LOOP', 'HEAP', 'MEMORY', 'CPU'].map(source => [`LOAD_SOURCE_${source}`, 'false']),
);

/** The environment of a server whose heartbeat is quick enough for a test, at a fixed interval. */
export function beatEnv(intervalMs: number, pongTimeoutMs: number, missedPongs = 2) {
  return {
    HEARTBEAT_INTERVAL_MS: `${intervalMs}`,
    HEARTBEAT_MIN_INTERVAL_MS: `${intervalMs}`,
    HEARTBEAT_MAX_INTERVAL_MS: `${intervalMs}`,
    HEARTBEAT_PONG_TIMEOUT_MS: `${pongTimeoutMs}`,
    HEARTBEAT_MISSED_PONGS: `${missedPongs}`,
  } as const;
}

/** How a {@link ServerProcess} is started. */
export interface ServerProcessOptions {
  /** The server's environment. Nothing of the test's own is passed on but PATH, HOME and TMPDIR. PORT is 0 and load has no effect unless given. */
  readonly env?: Readonly<Record<string, string>>;
  /** Program, relative to the repository. Default the reference server, as `nest build server` left it. */
  readonly entry?: string;
  /** Options of node itself. */
  readonly nodeArgs?: readonly string[];
  /** A command that runs the server, such as a network namespace's `ip netns exec <name>`; it must exec, so that the pid stays. */
  readonly via?: readonly string[];
  /** Longest wait for the address. Default 20000. */
  readonly startTimeoutMs?: number;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Since the first signal that was sent to it, or since its start when there was none. */
  readonly ms: number;
}

/**
 * The built server as a process of its own, on a free port. End it with {@link stop}, or all of a file's with
 * {@link ServerProcess.stopAll} in an `afterEach`.
 */
export class ServerProcess {
  static readonly #running = new Set<ServerProcess>();

  /** Resolves when the process has ended and its output was read; never rejects. */
  readonly exited: Promise<Exit>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  #since = performance.now();
  #signalled = false;
  #exit: Exit | null = null;

  private constructor({
    env = {},
    entry = 'dist/apps/server/src/main.js',
    nodeArgs = [],
    via = [],
  }: ServerProcessOptions) {
    const words = [...via, process.execPath, '--enable-source-maps', ...nodeArgs, entry];
    const [command, ...args] = words as [string, ...string[]];
    const inherited = Object.fromEntries(['PATH', 'HOME', 'TMPDIR'].map(name => [name, process.env[name]]));
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    this.#child = spawn(command, args, {
      cwd: ROOT,
      env: { ...inherited, ...NO_LOAD_ENV, PORT: '0', ...env },
      stdio: [...stdio],
    });
    ServerProcess.#running.add(this);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = new Promise(resolve => {
      this.#child.once('error', error => {
        this.stderr += error.message;
        resolve(this.#ended(null, null));
      });
      this.#child.once('close', (code, signal) => resolve(this.#ended(code, signal)));
    });
  }

  /** Starts a server and resolves once it has printed its address; throws with its output when it ends before. */
  static async start(options: ServerProcessOptions = {}): Promise<ServerProcess> {
    const server = ServerProcess.spawn(options);
    const startTimeoutMs = options.startTimeoutMs ?? 20_000;
    try {
      await until(() => server.#exit !== null || server.#address !== null, { timeoutMs: startTimeoutMs });
    } catch {
      await server.stop();
      throw new Error(`the server printed no address within ${startTimeoutMs} ms:\n${server.output}`);
    }
    if (server.#exit !== null) throw new Error(`the server ended with ${server.#exit.code}:\n${server.output}`);
    return server;
  }

  /** Starts a server without waiting: for a start that is meant to fail. */
  static spawn(options: ServerProcessOptions = {}): ServerProcess {
    return new ServerProcess(options);
  }

  /** Ends at once whatever this file has started and not ended. */
  static async stopAll(): Promise<void> {
    await Promise.all([...ServerProcess.#running].map(server => server.stop()));
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`the server was not started: ${this.stderr}`);
    return pid;
  }

  /** `http://host:port`, as the server printed it. */
  get url(): string {
    if (this.#address === null) throw new Error(`the server printed no address:\n${this.output}`);
    return this.#address[0];
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Both streams, for a failure's message. */
  get output(): string {
    return `${this.stdout}${this.stderr}`;
  }

  /** Sends a signal. The first one is the moment from which `exited` counts. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#signalled) this.#since = performance.now();
    this.#signalled = true;
    this.#child.kill(signal);
  }

  /** Ends the process at once when it is still there. */
  async stop(): Promise<Exit> {
    if (this.#exit === null) this.#child.kill('SIGKILL');
    return this.exited;
  }

  get #address(): RegExpExecArray | null {
    return ADDRESS.exec(this.stdout) ?? ADDRESS.exec(this.stderr);
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): Exit {
    ServerProcess.#running.delete(this);
    this.#exit ??= { code, signal, ms: performance.now() - this.#since };
    return this.#exit;
  }
}
