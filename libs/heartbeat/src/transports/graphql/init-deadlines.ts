import type { WebSocket, WebSocketServer } from 'ws';

import type { NodeState } from '../../node/node-state.js';

/** The close of graphql-ws for a client that sends no `connection_init` in time. */
const CODE = 4408;
const REASON = 'Connection initialisation timeout';

/**
 * The time of graphql-ws for `connection_init`, in attended time: its own timer, one for each socket, closes healthy clients after a stall of
 * the server. Checked every second.
 */
export class InitDeadlines {
  /** The attended time at which each socket was opened, the oldest first. */
  readonly #waiting = new Map<WebSocket, number>();

  constructor(
    private readonly node: Pick<NodeState, 'attendedMs'>,
    private readonly timeoutMs: number,
  ) {}

  serve(server: WebSocketServer): void {
    server.on('connection', socket => this.#waiting.set(socket, this.node.attendedMs));
  }

  /** The client has sent `connection_init`. */
  received({ extra }: { readonly extra: { readonly socket: WebSocket } }): void {
    this.#waiting.delete(extra.socket);
  }

  /** Closes clients that are late. */
  check(): void {
    for (const [socket, openedAt] of this.#waiting) {
      if (this.node.attendedMs - openedAt < this.timeoutMs) return;
      this.#waiting.delete(socket);
      socket.close(CODE, REASON);
    }
  }
}
