import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Which clients a {@link Clients} opens. */
export interface ClientsOpening {
  readonly port: number;
  readonly count: number;
  /** Default `/ws`. `{n}` stands for the number of the client. */
  readonly path?: string;
  /** Addresses to connect from, in turn. Default 127.0.0.1. */
  readonly from?: readonly string[];
  /** Puts a `DelayingProxy` before the server that adds this to each direction. Default none. */
  readonly delayMs?: number;
}

/** The end of one client. */
export interface ClientsEnd {
  readonly index: number;
  readonly code: number;
  /** The socket's error, such as ECONNRESET. */
  readonly error: string | null;
  /** On the clock of {@link machineMs}. */
  readonly at: number;
}

/** The commands. Clients are numbered by the order of their opening, from 0. */
export interface ClientsCommands {
  /** Opens clients as fast as it can; resolves with the moment of each answer. */
  open(opening: ClientsOpening): Promise<number[]>;
  /** Lets all clients, or those named, send a text. */
  send(message: { readonly text: string; readonly indices?: readonly number[] }): Promise<void>;
  /** Clients stop answering. */
  silence(indices: readonly number[]): Promise<void>;
  /** Clients stop reading: data for them waits. */
  pause(indices: readonly number[]): Promise<void>;
  /** Closes clients with 1000; resolves when they have ended. */
  leave(indices: readonly number[]): Promise<void>;
  /** How often each client has received this text. */
  heard(text: string): Promise<number[]>;
  /** The line of clients drops everything, both ways, without a close; only behind a proxy. */
  blackHole(indices: readonly number[]): Promise<void>;
  /** The moments at which each client was pinged. */
  pings(): Promise<number[][]>;
  /** The clients that are not connected any more. */
  ended(): Promise<ClientsEnd[]>;
  /** Closes the sockets of all clients without a close frame. */
  destroy(): Promise<void>;
}

/** One command to the process. */
export interface ClientsCall {
  readonly id: number;
  /** Of the clients in the process. */
  readonly group: number;
  readonly command: keyof ClientsCommands;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** A process that has groups of clients. */
class ClientsProcess {
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #child: ChildProcess;
  #calls = 0;
  #groups = 0;

  constructor() {
    const loader = new URL('../run-typescript.mjs', import.meta.url).href;
    this.#child = fork(fileURLToPath(new URL('clients-process.ts', import.meta.url)), [], {
      execArgv: ['--import', loader],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', ({ id, result, error }: Answer) => {
      const call = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) call?.resolve(result);
      else call?.reject(new Error(error));
    });
    this.#child.once('exit', code => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the process of the clients ended with ${code}`));
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the process of the clients was not started');
    return this.#child.pid;
  }

  newGroup(): number {
    return this.#groups++;
  }

  call<Result>(group: number, command: keyof ClientsCommands, argument?: unknown): Promise<Result> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: result => resolve(result as Result), reject });
      this.#child.send({ id, group, command, argument } satisfies ClientsCall);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

/**
 * Clients in number, in another process: what stalls the server or the test does not stall them. They answer pings. Moments are on
 * the clock of {@link machineMs}.
 */
export class Clients implements ClientsCommands {
  static readonly #running = new Set<Clients>();
  /** The process of all that share one. */
  static #shared: ClientsProcess | null = null;
  readonly #process: ClientsProcess;
  readonly #group: number;

  /** In a process of their own, which can be stopped and continued, or with `isShared` in that of all others of this file: it starts once. */
  constructor({ isShared = false } = {}) {
    this.#process = isShared ? (Clients.#shared ??= new ClientsProcess()) : new ClientsProcess();
    this.#group = this.#process.newGroup();
    Clients.#running.add(this);
  }

  /** Ends all clients of this file. */
  static async stopAll(): Promise<void> {
    const shared = Clients.#shared;
    Clients.#shared = null;
    await shared?.stop();
    await Promise.all([...Clients.#running].map(clients => clients.#forget()));
  }

  /** Of the clients' process, to stop and continue it. */
  get pid(): number {
    return this.#process.pid;
  }

  open(opening: ClientsOpening): Promise<number[]> {
    return this.#call('open', opening);
  }

  send(message: { readonly text: string; readonly indices?: readonly number[] }): Promise<void> {
    return this.#call('send', message);
  }

  silence(indices: readonly number[]): Promise<void> {
    return this.#call('silence', indices);
  }

  pause(indices: readonly number[]): Promise<void> {
    return this.#call('pause', indices);
  }

  leave(indices: readonly number[]): Promise<void> {
    return this.#call('leave', indices);
  }

  heard(text: string): Promise<number[]> {
    return this.#call('heard', text);
  }

  blackHole(indices: readonly number[]): Promise<void> {
    return this.#call('blackHole', indices);
  }

  pings(): Promise<number[][]> {
    return this.#call('pings');
  }

  ended(): Promise<ClientsEnd[]> {
    return this.#call('ended');
  }

  destroy(): Promise<void> {
    return this.#call('destroy');
  }

  /** Closes the sockets of the clients, and ends their process when it is their own. */
  async stop(): Promise<void> {
    if (this.#process === Clients.#shared) await this.destroy();
    await this.#forget();
  }

  async #forget(): Promise<void> {
    Clients.#running.delete(this);
    if (this.#process !== Clients.#shared) await this.#process.stop();
  }

  #call<Result>(command: keyof ClientsCommands, argument?: unknown): Promise<Result> {
    return this.#process.call(this.#group, command, argument);
  }
}

/** Milliseconds on the monotonic clock that all processes of this machine share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
