import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The methods of a child process: their arguments and results can be sent. */
type Api<Self> = { readonly [Name in keyof Self]: (...given: never[]) => unknown };

interface Question {
  readonly id: number;
  readonly name: string;
  readonly given: readonly unknown[];
}

type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string });

interface Asked {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** Longer than any request takes; a process that is silent for this long hangs. */
const ANSWER_WITHIN_MS = 120_000;

/** Children that are alive, so that a run that ends early can end them too, each by its own process id. */
const living = new Set<ChildProcess>();

/** A child process with methods. Its creator ends it. */
export class Remote<Self extends Api<Self>> {
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, Asked>();
  readonly #title: string;
  #nextId = 0;
  #end: Error | null = null;

  /** @param entry The built file that calls `answerParent`. */
  constructor(title: string, entry: URL, nodeArgs: readonly string[] = []) {
    this.#title = title;
    this.#child = fork(fileURLToPath(entry), [], {
      execArgv: [...nodeArgs],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    living.add(this.#child);
    this.#child.on('message', said => this.#answered(said as Answer));
    this.#child.on('error', error => this.#ended(error.message));
    this.#child.on('exit', (status, signal) => this.#ended(`it ended early (${signal ?? `status ${status}`})`));
  }

  ask<Name extends keyof Self & string>(
    name: Name,
    ...given: Parameters<Self[Name]>
  ): Promise<Awaited<ReturnType<Self[Name]>>> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      const id = this.#nextId++;
      const timer = setTimeout(() => this.#answered({ id, error: `no answer to "${name}"` }), ANSWER_WITHIN_MS);
      this.#asked.set(id, {
        resolve: value => {
          clearTimeout(timer);
          resolve(value);
        },
        reject: error => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#child.send({ id, name, given } satisfies Question);
    });
  }

  /** Lets it end by itself, which writes a profile where one was asked for; kills it if it does not. */
  async end(): Promise<void> {
    if (!living.has(this.#child)) return;
    const exited = new Promise(resolve => this.#child.once('exit', resolve));
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    if (this.#child.connected) this.#child.disconnect();
    await exited;
    clearTimeout(timer);
  }

  #answered(said: Answer): void {
    const asked = this.#asked.get(said.id);
    this.#asked.delete(said.id);
    if ('error' in said) asked?.reject(new Error(`${this.#title}: ${said.error}`));
    else asked?.resolve(said.value as never);
  }

  #ended(why: string): void {
    living.delete(this.#child);
    this.#end ??= new Error(`${this.#title}: ${why}`);
    for (const { reject } of this.#asked.values()) reject(this.#end);
    this.#asked.clear();
  }
}

/** Ends every child at once, for a run that is broken off. */
export function killRemotes(): void {
  for (const child of living) child.kill('SIGKILL');
}

/** The child's side: returns the results of the methods of `api`. Ends with the parent. */
export function answerParent(api: object): void {
  // Ctrl-C reaches the whole group of processes; the parent decides what it means.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
  process.on(
    'message',
    (question: Question) => void answer(api as Record<string, (...given: unknown[]) => unknown>, question),
  );
}

async function answer(
  api: Record<string, (...given: unknown[]) => unknown>,
  { id, name, given }: Question,
): Promise<void> {
  try {
    process.send?.({ id, value: await api[name]?.(...given) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
}
