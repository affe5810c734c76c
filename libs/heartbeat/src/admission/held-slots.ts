import type { EventEmitter } from 'node:events';

/** Places held by upgrades that are neither refused nor a connection yet, by client network: limits count them. */
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

  /** Holds a place until the socket has closed or the returned function is called, whichever is first. */
  holdFor(socket: EventEmitter, network: string): () => void {
    let isHeld = true;
    const release = () => {
      socket.off('close', release);
      if (isHeld) this.change(network, -1);
      isHeld = false;
    };
    this.change(network, 1);
    socket.on('close', release);
    return release;
  }
}
