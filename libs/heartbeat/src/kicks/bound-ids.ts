/** Maximum of tokens whose connections this node keeps, and of those connections: 8 bytes each. */
const MAX_TOKENS = 64;
const MAX_SERIALS = 1_000_000;

interface Bound {
  readonly serials: Float64Array;
  readonly endsAt: number;
}

/** The connections of this node that tokens of dry runs are bound to: their serials, until the token is taken or has expired. */
export class BoundIds {
  readonly #byJob = new Map<string, Bound>();
  #total = 0;

  get size(): number {
    return this.#byJob.size;
  }

  /** The jobs of the tokens. */
  jobs(): string[] {
    return [...this.#byJob.keys()];
  }

  /** Keeps the connections of a token. Above a limit the oldest tokens are dropped. Their jobs then report this node's share as lost. */
  add(job: string, serials: readonly number[], endsAt: number): void {
    this.take(job);
    this.#byJob.set(job, { serials: Float64Array.from(serials), endsAt });
    this.#total += serials.length;
    for (const oldest of this.#byJob.keys()) {
      const isWithin = this.#byJob.size <= MAX_TOKENS && this.#total <= MAX_SERIALS;
      if (isWithin || oldest === job) return;
      this.take(oldest);
    }
  }

  /** Removes the connections of a token, and returns them; null where they are unknown or were dropped. */
  take(job: string): Float64Array | null {
    const bound = this.#byJob.get(job);
    if (bound === undefined) return null;
    this.#byJob.delete(job);
    this.#total -= bound.serials.length;
    return bound.serials;
  }

  expire(now: number): void {
    for (const [job, { endsAt }] of this.#byJob) if (endsAt <= now) this.take(job);
  }
}
