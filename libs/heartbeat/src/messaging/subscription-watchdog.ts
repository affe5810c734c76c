/**
 * What comes back on the channels that a node listens to. In a Redis Cluster each may lie on a server of its own, and one server may hang
 * while the others answer.
 */
export class SubscriptionWatchdog {
  readonly #heardAt: Map<string, number>;
  readonly #takenAt: Map<string, number>;

  /** @param channels Those whose silence matters; whatever is told of others is ignored. */
  constructor(channels: readonly string[], now: number) {
    this.#heardAt = new Map(channels.map(channel => [channel, now]));
    this.#takenAt = new Map(this.#heardAt);
  }

  /** Something came in on a channel. */
  heard(channel: string, now: number): void {
    if (this.#heardAt.has(channel)) this.#heardAt.set(channel, now);
  }

  /** Redis has taken something for a channel. */
  taken(channel: string, now: number): void {
    if (this.#takenAt.has(channel)) this.#takenAt.set(channel, now);
  }

  /** Channels on which nothing was heard for longer than `ms`. */
  silent(now: number, ms: number): string[] {
    return longerAgo(this.#heardAt, now, ms);
  }

  /** Those of them for which Redis has taken nothing either. */
  stuck(now: number, ms: number): string[] {
    const untaken = longerAgo(this.#takenAt, now, ms);
    return this.silent(now, ms).filter(channel => untaken.includes(channel));
  }
}

function longerAgo(moments: ReadonlyMap<string, number>, now: number, ms: number): string[] {
  return [...moments].flatMap(([channel, at]) => (now - at > ms ? [channel] : []));
}
