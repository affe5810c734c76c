import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { bytesTaken } from '../ws/bytes-taken.js';

const TRAFFIC = Symbol('heartbeat polling traffic');

/** A response with the session that it serves, so that all responses share one listener. */
interface Carrier extends ServerResponse {
  [TRAFFIC]?: PollingTraffic;
}

/** One request of a polling client. Its network socket serves nothing else meanwhile, and other clients before and afterwards. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  /** Totals of the socket before the request. */
  readonly readBefore: number;
  readonly takenBefore: number;
}

/**
 * The bytes of a session that polls. Its requests arrive on any network socket, also on one that a proxy shares between clients. So only the
 * bytes between the head of a request and the end of its response count.
 */
export class PollingTraffic {
  #read = 0;
  #taken = 0;
  /** The request that waits for packets, or receives them. */
  #poll: Exchange | null = null;
  /** The request that brings packets. */
  #post: Exchange | null = null;

  get bytesRead(): number {
    return this.#read + readBy(this.#poll) + readBy(this.#post);
  }

  get bytesTaken(): number {
    return this.#taken + takenBy(this.#poll) + takenBy(this.#post);
  }

  /** Bytes of responses that wait in this process. */
  get bytesWaiting(): number {
    return waitingIn(this.#poll) + waitingIn(this.#post);
  }

  /** Whether the body of a request has begun and is not complete. */
  get hasIncompleteMessage(): boolean {
    return this.#post !== null && !this.#post.request.complete;
  }

  /** The head of a request was read. */
  requested(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const exchange: Exchange = {
      request,
      response,
      socket,
      readBefore: socket.bytesRead - headBytes(request),
      takenBefore: bytesTaken(socket),
    };
    if (request.method === 'POST') {
      this.#settle(this.#post);
      this.#post = exchange;
    } else {
      this.#settle(this.#poll);
      this.#poll = exchange;
    }
    (response as Carrier)[TRAFFIC] = this;
    response.on('close', settled);
  }

  /** Ends the requests that are under way. */
  destroy(): void {
    for (const exchange of [this.#poll, this.#post]) exchange?.response.destroy();
  }

  /** The response has ended. */
  settled(response: ServerResponse): void {
    for (const exchange of [this.#poll, this.#post]) if (exchange?.response === response) this.#settle(exchange);
  }

  #settle(exchange: Exchange | null): void {
    if (exchange === null) return;
    const { request } = exchange;
    const length = request.complete ? Number(request.headers['content-length'] ?? 0) : 0;
    // The beginning of a body may have been read together with the head.
    this.#read += Math.max(readBy(exchange), headBytes(request) + length);
    this.#taken += takenBy(exchange);
    if (exchange === this.#poll) this.#poll = null;
    else this.#post = null;
  }
}

function settled(this: Carrier): void {
  this[TRAFFIC]?.settled(this);
}

function readBy(exchange: Exchange | null): number {
  return exchange === null ? 0 : exchange.socket.bytesRead - exchange.readBefore;
}

function takenBy(exchange: Exchange | null): number {
  return exchange === null ? 0 : bytesTaken(exchange.socket) - exchange.takenBefore;
}

function waitingIn(exchange: Exchange | null): number {
  return exchange?.response.writableLength ?? 0;
}

/** The length of a request head, from its parts: request line, headers, empty line (RFC 9112, section 2.1). */
function headBytes({ method = '', url = '', rawHeaders }: IncomingMessage): number {
  return rawHeaders.reduce((sum, part) => sum + part.length + 2, method.length + url.length + 14);
}
