/** Maximum of requests that wait for their turn. */
const MAX_WAITING = 1000;

/** Requests to all nodes take turns, so that the replies to many of them do not arrive together. */
export class RequestTurns {
  #running = 0;
  readonly #waiting = new Set<() => void>();

  /** @param atOnce Requests that run at once. The replies of 50 nodes to them must stay below the 8 MB at which Redis closes a subscriber. */
  constructor(private readonly atOnce: number) {}

  /**
   * Runs `work` when it is its turn, or after `patienceMs` without one.
   * @param work Receives whether it has a turn. Without one it must not send requests to other nodes.
   */
  async run<Outcome>(work: (hasTurn: boolean) => Promise<Outcome>, patienceMs: number): Promise<Outcome> {
    const hasTurn = await this.#begin(patienceMs);
    try {
      return await work(hasTurn);
    } finally {
      if (hasTurn) this.#end();
    }
  }

  async #begin(patienceMs: number): Promise<boolean> {
    if (this.#running < this.atOnce) {
      this.#running++;
      return true;
    }
    if (this.#waiting.size >= MAX_WAITING) return false;
    return new Promise(resolve => {
      const giveUp = setTimeout(() => {
        this.#waiting.delete(begin);
        resolve(false);
      }, patienceMs);
      const begin = () => {
        clearTimeout(giveUp);
        resolve(true);
      };
      this.#waiting.add(begin);
    });
  }

  /** The next one takes over the turn. */
  #end(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
