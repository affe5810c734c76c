/**
 * Watches the messages on a node's own channels. In a Redis Cluster each channel may be on a different server, and one server may hang
 * while the others respond.
 */
export class SubscriptionWatchdog {
  readonly #receivedAt: Map<string, number>;
  readonly #takenAt: Map<string, number>;
  /** Channels, also of other nodes, for which Redis takes no message: since when. */
  readonly #refusedAt = new Map<string, number>();

  /** @param channels The channels that are watched. Calls for other channels are ignored. */
  constructor(channels: readonly string[], now: number) {
    this.#receivedAt = new Map(channels.map(channel => [channel, now]));
    this.#takenAt = new Map(this.#receivedAt);
  }

  /** Records that a message arrived on a channel. */
  received(channel: string, now: number): void {
    if (this.#receivedAt.has(channel)) this.#receivedAt.set(channel, now);
  }

  /** Records that Redis has accepted a message for a channel. */
  taken(channel: string, now: number): void {
    if (this.#takenAt.has(channel)) this.#takenAt.set(channel, now);
    this.#refusedAt.delete(channel);
  }

  /** Records that Redis has not accepted a message for a channel. */
  refused(channel: string, now: number): void {
    if (!this.#refusedAt.has(channel)) this.#refusedAt.set(channel, now);
  }

  /** Whether messages for a channel have been refused for longer than `ms`. */
  refuses(now: number, ms: number): boolean {
    return longerAgo(this.#refusedAt, now, ms).length > 0;
  }

  /** The connection for messages was replaced. */
  replaced(): void {
    this.#refusedAt.clear();
  }

  /** Channels without a message for longer than `ms`. */
  silent(now: number, ms: number): string[] {
    return longerAgo(this.#receivedAt, now, ms);
  }

  /** The silent channels for which Redis has accepted no message either. */
  stuck(now: number, ms: number): string[] {
    const untaken = longerAgo(this.#takenAt, now, ms);
    return this.silent(now, ms).filter(channel => untaken.includes(channel));
  }
}

function longerAgo(moments: ReadonlyMap<string, number>, now: number, ms: number): string[] {
  return [...moments].flatMap(([channel, at]) => (now - at > ms ? [channel] : []));
}
