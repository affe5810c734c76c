import type { Attempt } from './attempt.js';

/** Slots of attempts that are neither refused nor a connection yet, by client network. They count for the limits. */
export class HeldSlots {
  readonly #byNetwork = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  of(network: string): number {
    return this.#byNetwork.get(network) ?? 0;
  }

  change(network: string, change: 1 | -1): void {
    const held = this.of(network) + change;
    this.#total += change;
    if (held === 0) this.#byNetwork.delete(network);
    else this.#byNetwork.set(network, held);
  }

  /** Holds a slot until the client disconnects or the returned function is called. */
  holdFor(attempt: Attempt, network: string): () => void {
    this.change(network, 1);
    return once(attempt, () => this.change(network, -1));
  }
}

/** A release that runs once: when it is called, or when the client disconnects. */
export function once(attempt: Pick<Attempt, 'onGone'>, release: () => void): () => void {
  let isHeld = true;
  const settle = () => {
    if (!isHeld) return;
    isHeld = false;
    cancel();
    release();
  };
  const cancel = attempt.onGone(settle);
  return settle;
}
