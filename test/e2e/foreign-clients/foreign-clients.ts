import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ADVISED_MS, CASES, DRAWS, NODE_CLIENTS, PYTHON_CLIENT } from './cases.js';
import type { ForeignServer } from './foreign-server.js';

/** Debian's own interpreter: another one in the path does not see Debian's modules. */
export const PYTHON = '/usr/bin/python3';
const PROGRAMS = [
  [process.execPath, fileURLToPath(new URL('node-clients.mjs', import.meta.url))],
  [PYTHON, fileURLToPath(new URL('python-clients.py', import.meta.url))],
] as const;

/** The first return of a client after one case: the bounds of its random delay in seconds; null where it does not return. */
export type FirstReturn = { readonly least: number; readonly most: number } | null;

/** The clients of other libraries, in processes of their own. */
export class ForeignClients {
  readonly #children: ChildProcess[] = [];
  readonly #names: readonly string[];

  /** @param speed How many times as fast the timers of the clients run. */
  constructor(
    private readonly server: ForeignServer,
    private readonly speed: number,
    private readonly cases: readonly string[] = Object.keys(CASES),
    python: string = PYTHON,
  ) {
    this.#names = [...NODE_CLIENTS, PYTHON_CLIENT];
    for (const draw of DRAWS) {
      for (const [command, program] of PROGRAMS) {
        const args = [program, `${server.port}`, draw, `${speed}`, cases.join(',')];
        this.#children.push(
          spawn(command === PYTHON ? python : command, args, { stdio: ['ignore', 'inherit', 'inherit'] }),
        );
      }
    }
  }

  /** Whether each client has met each of its cases. */
  get haveMet(): boolean {
    const places = DRAWS.flatMap(draw =>
      this.cases.flatMap(name => this.#names.map(client => `${draw}/${name}/${client}`)),
    );
    return places.every(place => this.server.visitsOf(place).ends.length > 0);
  }

  firstReturn(client: string, name: string): FirstReturn {
    const [least, most] = DRAWS.map(draw => this.#seconds(this.server.visitsOf(`${draw}/${name}/${client}`).returns));
    return least?.[0] === undefined || most?.[0] === undefined ? null : { least: least[0], most: most[0] };
  }

  /** All delays of a client that drew the most, in seconds. */
  returnsOf(client: string, name: string): number[] {
    return this.#seconds(this.server.visitsOf(`most/${name}/${client}`).returns);
  }

  async stop(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    }
  }

  #seconds(returns: readonly number[]): number[] {
    const seconds = returns.map(ms => (ms * this.speed) / 1000);
    if (seconds.some(delay => delay > ADVISED_MS / 1000)) throw new Error('a client may have followed the advice');
    return seconds;
  }
}
