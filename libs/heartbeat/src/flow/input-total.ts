import type { NodeState } from '../node/node-state.js';

/** The bytes of one queue. It must not reference its connection. */
export interface Share {
  bytes: number;
  isKept: boolean;
}

/**
 * Limits the bytes in all queues of a node together. Above half of `backpressure.maxTotalBufferedBytes` no queue may exceed its even share
 * of the other half, so that a flood cannot take the space of other clients. Above the whole none may grow.
 */
export class InputTotal {
  #bytes = 0;
  /** A handler that never ends keeps its queue until the connection is no longer referenced otherwise. */
  readonly #lost = new FinalizationRegistry<Share>(({ bytes }) => (this.#bytes -= bytes));
  readonly #most: number;

  constructor(private readonly node: Pick<NodeState, 'options' | 'limits'>) {
    this.#most = node.options.backpressure.maxTotalBufferedBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts a new queue until it is closed. */
  open(): Share {
    return { bytes: 0, isKept: false };
  }

  /** Counts a queue at most for as long as `owner` is referenced. */
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

  /** Counts messages that wait longer than the turn in which they arrived. Returns false if they are too many. */
  settle(share: Share, messages: { settle(): void; readonly bytes: number }): boolean {
    messages.settle();
    this.set(share, messages.bytes);
    return !this.isOver(share);
  }

  /** Whether a queue exceeds its current limit. */
  isOver({ bytes }: Share): boolean {
    if (this.#bytes <= this.#most / 2) return false;
    return this.#bytes > this.#most || bytes > this.#most / 2 / this.node.limits.maxConnections;
  }
}
