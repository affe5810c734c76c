/**
 * Which of a socket's handlers take which event. Nest binds handlers anew for every client, always in the same order: so
 * one table serves all sockets of a path, and a socket keeps nothing but its bound functions.
 */
export class RoutingTable {
  readonly #positions = new Map<unknown, number[]>();
  #length = 0;

  /** Whether any gateway on this path takes messages. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** The handler at `position` takes `event`; what is known already is passed over. */
  learn(position: number, event: unknown): void {
    if (position < this.#length) return;
    this.#length = position + 1;
    const positions = this.#positions.get(event);
    if (positions) positions.push(position);
    else this.#positions.set(event, [position]);
  }

  positionsOf(event: unknown): readonly number[] | undefined {
    return this.#positions.get(event);
  }

  get events(): string[] {
    return [...this.#positions.keys()].map(String);
  }
}
