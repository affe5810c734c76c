import type { Connection } from '../connection/connection.js';

/**
 * Maximum time of one turn of the event loop that closes take, in milliseconds: each close is answered by a client, which costs several
 * times as much.
 */
const TURN_MS = 0.25;
/** Steps of a burst without a time limit, so that a few connections are closed when `ban()` returns, also on a busy machine. */
const FREE_STEPS = 32;
/** Steps between two readings of the clock. */
const STEPS_PER_CLOCK = 4;

/** The connections that a ban may match. */
export type Search = 'all' | (() => readonly Connection[]);

/** The closes of one ban. */
export class BanTask {
  closed = 0;
  #isFinished = false;
  #waiters: ((closed: number) => void)[] = [];

  constructor(readonly banId: string) {}

  /** Resolves with the number of matching connections when the close of each has begun. */
  async finished(): Promise<number> {
    return this.#isFinished ? this.closed : new Promise(resolve => this.#waiters.push(resolve));
  }

  /** @internal For the sweep only. */
  finish(): void {
    this.#isFinished = true;
    for (const resolve of this.#waiters.splice(0)) resolve(this.closed);
  }
}

/**
 * Closes the connections that bans match, in slices. The first slice runs in the turn of the ban, as far as that turn has time left. The
 * rest follows between pending I/O. Bans of users and of addresses look up their connections. All pending bans of networks share one pass
 * through the connections.
 */
export class BanSweep {
  readonly #tasks = new Map<string, BanTask>();
  /** Pending searches, the oldest first. */
  #searches: { readonly task: BanTask; readonly find: () => readonly Connection[] }[] = [];
  /** Bans that wait for the next pass. */
  #waiting: BanTask[] = [];
  #work: Iterator<Connection | null> | null = null;
  #spentMs = 0;
  #freeSteps = FREE_STEPS;
  #isRunning = false;
  #isScheduled = false;

  /**
   * @param all All connections; live.
   * @param close Closes a connection where a ban matches it. Returns the id of that ban, or null where no close began.
   */
  constructor(
    private readonly all: () => Iterable<Connection>,
    private readonly close: (connection: Connection) => string | null,
  ) {}

  /** Whether all connections that bans match are closing. */
  get isIdle(): boolean {
    return this.#work === null && this.#searches.length === 0 && this.#waiting.length === 0;
  }

  /** Begins to close the connections that a ban matches. */
  begin(banId: string, search: Search): BanTask {
    const task = this.#tasks.get(banId) ?? new BanTask(banId);
    this.#tasks.set(banId, task);
    if (search === 'all') this.#waiting.push(task);
    else this.#searches.push({ task, find: search });
    this.#run();
    return task;
  }

  #run(): void {
    // A subscriber of the events of a close may ban too. The loop that is running handles that ban.
    if (this.#isRunning) return;
    this.#isRunning = true;
    const begun = performance.now();
    try {
      this.#slice(begun);
    } finally {
      this.#isRunning = false;
      this.#spentMs += performance.now() - begun;
      this.#schedule();
    }
  }

  #slice(begun: number): void {
    let now = begun;
    for (let step = 1; !this.isIdle; step++) {
      if (this.#freeSteps > 0) this.#freeSteps--;
      else if (this.#spentMs + now - begun >= TURN_MS) return;
      this.#work ??= this.#connections();
      const { done, value } = this.#work.next();
      if (done === true) this.#work = null;
      else if (value !== null) this.#judge(value);
      if (step % STEPS_PER_CLOCK === 0) now = performance.now();
    }
  }

  /** Schedules the next slice. After the last one, the time spent is reset. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#spentMs = 0;
      if (this.isIdle) this.#freeSteps = FREE_STEPS;
      else this.#run();
    });
  }

  /** The connections to be checked; null for a step without one. */
  *#connections(): IterableIterator<Connection | null> {
    while (this.#searches.length > 0 || this.#waiting.length > 0) {
      const searches = this.#searches;
      this.#searches = [];
      for (const { task, find } of searches) {
        yield* find();
        this.#finish(task);
        yield null;
      }
      const tasks = this.#waiting;
      this.#waiting = [];
      if (tasks.length > 0) yield* this.all();
      for (const task of tasks) this.#finish(task);
    }
  }

  #judge(connection: Connection): void {
    const banId = this.close(connection);
    const task = banId === null ? undefined : this.#tasks.get(banId);
    if (task) task.closed++;
  }

  #finish(task: BanTask): void {
    this.#tasks.delete(task.banId);
    task.finish();
  }
}
