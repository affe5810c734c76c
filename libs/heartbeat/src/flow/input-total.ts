import type { ResolvedOptions } from '../options/heartbeat.options.js';

/** What one queue holds at the moment. It must not refer to its connection. */
export interface Share {
  bytes: number;
  isKept: boolean;
}

/**
 * Bounds what waits in all queues of a node together. Beyond half of `backpressure.maxTotalBufferedBytes` no queue may hold more than
 * its even share of the other half, so that a flood cannot take the room of other clients; beyond the whole none may grow.
 */
export class InputTotal {
  #bytes = 0;
  /** A handler that never ends keeps its queue, until nothing else holds the connection. */
  readonly #lost = new FinalizationRegistry<Share>(({ bytes }) => (this.#bytes -= bytes));
  readonly #most: number;
  readonly #evenShare: number;

  constructor({ backpressure, limits }: Pick<ResolvedOptions, 'backpressure' | 'limits'>) {
    this.#most = backpressure.maxTotalBufferedBytes;
    this.#evenShare = this.#most / 2 / limits.maxConnections;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts a new queue until it is closed. */
  open(): Share {
    return { bytes: 0, isKept: false };
  }

  /** Counts a queue for as long as `owner` lives, at most. */
  keep(share: Share, owner: object): void {
    if (share.isKept) return;
    share.isKept = true;
    this.#lost.register(owner, share, share);
  }

  close(share: Share): void {
    this.set(share, 0);
    if (share.isKept) this.#lost.unregister(share);
    share.isKept = false;
  }

  set(share: Share, bytes: number): void {
    this.#bytes += bytes - share.bytes;
    share.bytes = bytes;
  }

  /** Counts what waits longer than the turn in which it came; false if that is too much. */
  settle(share: Share, messages: { settle(): void; readonly bytes: number }): boolean {
    messages.settle();
    this.set(share, messages.bytes);
    return !this.isOver(share);
  }

  /** Whether a queue holds more than it may at the moment. */
  isOver({ bytes }: Share): boolean {
    if (this.#bytes <= this.#most / 2) return false;
    return this.#bytes > this.#most || bytes > this.#evenShare;
  }
}
