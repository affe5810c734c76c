import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { NEVER } from '../connection/pulse.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';
import { hasIncompleteMessage } from './incomplete-message.js';

/** How often the sockets are looked at for messages in the making. */
const SWEEP_MS = 1000;

/**
 * Knows of messages in the making, which make no event: closes whoever never ends one, and tells liveness to a second when bytes
 * of one came.
 */
@Injectable()
export class IncompleteMessageService implements OnApplicationBootstrap, OnApplicationShutdown {
  /** How much had been read, of those with a message in the making, at the last sweep. */
  readonly #bytesSwept = new WeakMap<Connection, number>();
  #timer: NodeJS.Timeout | null = null;
  #sweeping = false;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** One pass over all connections; one at a time. */
  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      // What the kernel already holds is read before anyone is judged.
      await new Promise(resolve => setImmediate(resolve));
      const begunAt = this.node.attendedMs;
      await inSlices(this.connections.all(), connection => this.#inspect(connection));
      this.node.accountedUntil = begunAt;
    } finally {
      this.#sweeping = false;
    }
  }

  #inspect(connection: Connection): void {
    const { pulse, socket } = connection;
    if (connection.state === 'closing') return;
    if (connection.paused || !hasIncompleteMessage(socket)) {
      pulse.incompleteSince = NEVER;
      return;
    }
    this.#noteBytes(connection);
    const now = this.node.attendedMs;
    // A message that was finished meanwhile was another one.
    if (pulse.incompleteSince === NEVER || pulse.messageAt > pulse.incompleteSince) pulse.incompleteSince = now;
    const { messageTimeoutMs } = this.node.options.limits;
    if (messageTimeoutMs === 0 || now - pulse.incompleteSince < messageTimeoutMs) return;
    connection.note({ kind: 'incomplete' });
    if (!connection.end({ code: CloseCodes.rate.code, reason: 'message unfinished for too long', by: 'server' }))
      return;
    this.events.announce({ type: 'message-refused', id: connection.id, reason: 'unfinished' });
  }

  /** Bytes that are new since the sweep before, and since the last look, came after the later of the two; nobody knows more. */
  #noteBytes(connection: Connection): void {
    const { bytesRead } = connection.network;
    const { bytesSeen, lookedAt } = connection.pulse;
    if (bytesRead !== bytesSeen && bytesRead !== this.#bytesSwept.get(connection)) {
      connection.countBytes(this.node.clock.now(), Math.max(this.node.accountedUntil, lookedAt));
    }
    this.#bytesSwept.set(connection, bytesRead);
  }
}
