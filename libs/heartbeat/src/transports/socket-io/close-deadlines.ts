import { guarded } from '../../connection/lifetime.js';
import { inSlices } from '../../base/slices.js';

interface Closing {
  destroy(): void;
}

/**
 * Ends sessions that poll and whose clients do not fetch their close. A drain closes thousands at once, so one timer serves all of them, and
 * the event loop runs between slices: a timer for each would end all in one turn.
 */
export class CloseDeadlines {
  /** The time at which each session is due, the earliest first. */
  readonly #closing = new Map<Closing, number>();
  #timer: NodeJS.Timeout | null = null;
  #isEnding = false;

  constructor(
    private readonly timeoutMs: number,
    private readonly now: () => number,
    private readonly failed: (what: string, error: unknown) => void,
  ) {}

  /** The close of a session has begun. */
  add(session: Closing): void {
    if (this.#closing.has(session)) return;
    this.#closing.set(session, this.now() + this.timeoutMs);
    this.#arm(this.timeoutMs);
  }

  /** The session has ended. */
  delete(session: Closing): void {
    if (!this.#closing.delete(session) || this.#closing.size > 0 || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #arm(delayMs: number): void {
    if (!this.#isEnding) this.#timer ??= setTimeout(() => void this.#end(), delayMs);
  }

  async #end(): Promise<void> {
    this.#timer = null;
    this.#isEnding = true;
    await inSlices(this.#due(), session => {
      this.#closing.delete(session);
      guarded(() => session.destroy(), 'a listener of "disconnect"', this.failed);
    });
    this.#isEnding = false;
    const [next] = this.#closing.values();
    if (next !== undefined) this.#arm(Math.max(0, next - this.now()));
  }

  *#due(): Iterable<Closing> {
    for (const [session, dueAt] of this.#closing) {
      if (dueAt > this.now()) return;
      yield session;
    }
  }
}
