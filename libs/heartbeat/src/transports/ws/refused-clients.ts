import type { WebSocket } from 'ws';

import { LINGER_MS } from './upgrade-answer.js';

/** So many may be on their way out at once. */
const MOST = 1000;

/**
 * Refused clients whose upgrade was finished only to tell them so by a close code. Each is a whole WebSocket that no limit
 * counts, so there are few of them at a time, and none stays long: whoever comes beyond is answered by HTTP.
 */
export class RefusedClients {
  #count = 0;

  get isFull(): boolean {
    return this.#count >= MOST;
  }

  /** Closes with this code, and destroys who has not answered after a second. */
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
