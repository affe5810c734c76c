/**
 * Maps events to positions in a socket's list of handlers. Nest binds handlers anew for every client, always in the same order. So one
 * table serves all sockets of a path, and a socket holds only its bound functions.
 */
export class RoutingTable {
  readonly #positions = new Map<unknown, number[]>();
  #length = 0;

  /** Whether no gateway on this path handles messages. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /**
   * Adds the handlers of one gateway, the first at position `start`. A gateway that is already known is skipped. Of two handlers of one
   * event in a gateway the last one counts, as with `WsAdapter`. Gateways on the same path each keep their own.
   */
  learn(start: number, handlers: readonly { readonly message: unknown }[]): void {
    // Called for each client, so nothing is allocated for a known gateway.
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
