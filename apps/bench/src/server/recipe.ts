import type { WebSocket, WebSocketServer } from 'ws';

type Watched = WebSocket & { isAlive?: boolean };

/** "How to detect and close broken connections?", in the README of `ws`. */
export class Recipe {
  readonly #server: WebSocketServer;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(server: WebSocketServer, intervalMs: number) {
    this.#server = server;
    this.#intervalMs = intervalMs;
    this.beat(true);
  }

  watch(socket: Watched): void {
    socket.isAlive = true;
    socket.on('pong', alive);
  }

  beat(on: boolean): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = on ? setInterval(() => this.#ping(), this.#intervalMs) : null;
  }

  #ping(): void {
    for (const socket of this.#server.clients as Set<Watched>) {
      if (socket.isAlive === false) {
        socket.terminate();
        continue;
      }
      socket.isAlive = false;
      socket.ping();
    }
  }
}

function alive(this: Watched): void {
  this.isAlive = true;
}
