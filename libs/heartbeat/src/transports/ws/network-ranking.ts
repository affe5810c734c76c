/** Counts by network, and the network of the largest count. Every operation takes constant time. */
export class NetworkRanking {
  readonly #counts = new Map<string, number>();
  /** The networks of each count; index 0 stays empty. */
  readonly #ranks: Set<string>[] = [];

  of(network: string): number {
    return this.#counts.get(network) ?? 0;
  }

  change(network: string, change: 1 | -1): void {
    const before = this.of(network);
    const count = before + change;
    this.#ranks[before]?.delete(network);
    if (count === 0) this.#counts.delete(network);
    else {
      this.#counts.set(network, count);
      (this.#ranks[count] ??= new Set()).add(network);
    }
    while (this.#ranks.length > 0 && !this.#ranks.at(-1)?.size) this.#ranks.pop();
  }

  /** A network of the largest count. */
  get busiest(): string | undefined {
    const [network] = this.#ranks.at(-1) ?? [];
    return network;
  }
}
