import type { WebSocket } from 'ws';

import { LINGER_MS } from './upgrade-answer.js';

/** Maximum of refused clients that are closing at once. */
const MOST = 1000;

/**
 * Refused clients whose upgrade was finished only to send them a close code. Each is a complete WebSocket that no limit counts. So their
 * number is limited, each is destroyed after a second, and further clients are refused by HTTP.
 */
export class RefusedClients {
  #count = 0;

  get isFull(): boolean {
    return this.#count >= MOST;
  }

  /** Closes with this code, and destroys the client if it has not answered after a second. */
  close(client: WebSocket, code: number, reason: string): void {
    this.#count++;
    const timer = setTimeout(() => client.terminate(), LINGER_MS);
    client.once('close', () => {
      clearTimeout(timer);
      this.#count--;
    });
    client.on('error', () => undefined);
    client.close(code, reason);
  }
}
