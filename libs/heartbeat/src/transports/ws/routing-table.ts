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

  /**
   * The handlers of one gateway, the first at position `start`; a gateway that is known is passed over. Of two handlers
   * of one event in a gateway the last one counts, as with `WsAdapter`; gateways on the same path each have theirs.
   */
  learn(start: number, handlers: readonly { readonly message: unknown }[]): void {
    // Called for each client: nothing is made for a gateway that is known.
    if (start + handlers.length <= this.#length) return;
    this.#length = start + handlers.length;
    const ofGateway = new Map(handlers.map(({ message }, index) => [message, start + index]));
    for (const [event, position] of ofGateway) {
      const positions = this.#positions.get(event);
      if (positions) positions.push(position);
      else this.#positions.set(event, [position]);
    }
  }

  positionsOf(event: unknown): readonly number[] | undefined {
    return this.#positions.get(event);
  }

  get events(): string[] {
    return [...this.#positions.keys()].map(String);
  }
}
