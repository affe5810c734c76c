import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { NEVER } from '../connection/pulse.js';
import type { TrackedSocket } from '../connection/tracked-socket.js';
import { inSlices } from '../slices.js';
import { hasUnfinishedMessage } from './unfinished-message.js';

/** How often the sockets are looked at for messages in the making. */
const SWEEP_MS = 1000;

/** Guards what comes in: messages that never end, and more handlers at once than a connection may have. */
@Injectable()
export class InboundService implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Of connections at their limit only; held weakly, since nothing here must keep one alive. */
  readonly #waiting = new WeakMap<Connection, (() => Promise<void>)[]>();
  #timer: NodeJS.Timeout | null = null;
  #sweeping = false;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
  ) {}

  onApplicationBootstrap(): void {
    if (this.node.options.limits.messageTimeoutMs === 0) return;
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Closes whoever has a message unfinished for `messageTimeoutMs` of attended time. */
  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      // What the kernel already holds is read before anyone is judged.
      await new Promise(resolve => setImmediate(resolve));
      await inSlices(this.connections.all(), connection => this.#inspect(connection));
    } finally {
      this.#sweeping = false;
    }
  }

  /**
   * Runs a handler, or lets it wait while `maxInFlight` of this connection run. While any waits the socket is not read, so
   * what can wait is bounded by what one read had brought in.
   */
  run(connection: Connection, handler: () => Promise<void>): void {
    if (connection.inFlight < this.node.options.limits.maxInFlight) return void this.#start(connection, handler);
    const waiting = this.#waiting.get(connection);
    if (waiting) waiting.push(handler);
    else this.#waiting.set(connection, [handler]);
    (connection.socket as TrackedSocket).holdBack();
  }

  /** @param handler Never rejects. */
  async #start(connection: Connection, handler: () => Promise<void>): Promise<void> {
    connection.inFlight++;
    await handler();
    connection.inFlight--;
    const waiting = this.#waiting.get(connection);
    if (waiting === undefined) return;
    const next = connection.ended ? undefined : waiting.shift();
    if (next) return void this.#start(connection, next);
    this.#waiting.delete(connection);
    (connection.socket as TrackedSocket).letGo();
  }

  #inspect(connection: Connection): void {
    const { pulse, socket } = connection;
    if (connection.state === 'closing') return;
    if (connection.paused || !hasUnfinishedMessage(socket)) {
      pulse.unfinishedSince = NEVER;
      return;
    }
    const now = this.node.attendedMs;
    // A message that was finished meanwhile was another one.
    if (pulse.unfinishedSince === NEVER || pulse.messageAt > pulse.unfinishedSince) pulse.unfinishedSince = now;
    if (now - pulse.unfinishedSince < this.node.options.limits.messageTimeoutMs) return;
    connection.note('a message stayed unfinished');
    connection.end({ code: CloseCodes.rate.code, reason: 'message unfinished for too long', by: 'server' });
  }
}
