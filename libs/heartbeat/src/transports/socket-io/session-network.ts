import type { ServerResponse } from 'node:http';

import type { PollingState } from '../../connection/transport.js';
import { bytesTaken } from '../ws/bytes-taken.js';
import { hasIncompleteMessage } from '../ws/incomplete-message.js';
import type { EngineRequest } from './engine-fields.js';
import type { EngineSocket } from './engine-socket.js';
import { PollingTraffic } from './polling-traffic.js';

/** The network under a session: requests while it polls, then perhaps a WebSocket. Its totals continue over the change. */
export class SessionNetwork {
  /** Null while the session polls. */
  #socket: EngineSocket | null = null;
  /** Null for a session that never polled. */
  #polling: PollingTraffic | null = null;
  /** Totals of the WebSocket's network socket before it carried this session. */
  #readBefore = 0;
  #takenBefore = 0;

  get socket(): EngineSocket | null {
    return this.#socket;
  }
  /** The error with which the WebSocket's network socket ended; null without one, and for a session that polls. */
  get error(): Error | null {
    return this.#socket?.network.errored ?? null;
  }
  get polling(): PollingState | undefined {
    if (this.#socket !== null) return undefined;
    return this.#waitsInRequests > 0 ? 'answering' : 'waiting';
  }
  get isHalted(): boolean {
    return this.#socket !== null && (this.#socket.isPaused || this.#socket.network.isPaused());
  }
  get hasIncompleteMessage(): boolean {
    return this.#socket === null ? this.#polling?.hasIncompleteMessage === true : hasIncompleteMessage(this.#socket);
  }
  get bytesRead(): number {
    const polled = this.#polling?.bytesRead ?? 0;
    return this.#socket === null ? polled : polled + this.#socket.network.bytesRead - this.#readBefore;
  }
  get bytesTaken(): number {
    const polled = this.#polling?.bytesTaken ?? 0;
    return this.#socket === null ? polled : polled + bytesTaken(this.#socket.network) - this.#takenBefore;
  }
  get bytesGiven(): number {
    return this.bytesTaken + (this.#socket?.network.writableLength ?? this.#waitsInRequests);
  }
  /** Bytes that wait here, without those in engine.io. */
  get bytesWaiting(): number {
    return this.#socket?.bufferedAmount ?? this.#waitsInRequests;
  }

  /** The session continues on a WebSocket. */
  upgraded(socket: EngineSocket): void {
    this.#readBefore = socket.network.bytesRead;
    this.#takenBefore = bytesTaken(socket.network);
    this.#socket = socket;
  }

  /** A polling request arrived. */
  requested(request: EngineRequest, response: ServerResponse): void {
    (this.#polling ??= new PollingTraffic()).requested(request, response);
  }

  /** Ends requests, or the WebSocket, at once. */
  destroy(): void {
    if (this.#socket === null) this.#polling?.destroy();
    else this.#socket.terminate();
  }

  get #waitsInRequests(): number {
    return this.#polling?.bytesWaiting ?? 0;
  }
}
