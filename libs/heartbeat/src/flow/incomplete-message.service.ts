import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

import { CloseCodes } from '../protocol/close-code.js';
import type { Connection } from '../connection/connection.js';
import type { Closing } from '../connection/connection.types.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../node/node-state.js';
import { NEVER } from '../connection/pulse.js';
import { notePause } from './reading-pause.js';
import { flowOf, type FlowRecord, knownFlowOf } from './flow-record.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { inSlices } from '../base/slices.js';

/**
 * Finds incomplete messages, for which there is no event. It closes clients that do not complete one, and reports to liveness when its
 * bytes arrived, with a resolution of a second.
 */
@Injectable()
export class IncompleteMessageService implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Ends the work of every second. */
  #end: (() => void) | null = null;
  #sweeping = false;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  onApplicationBootstrap(): void {
    this.#end = this.node.seconds.every(() => void this.sweep());
  }

  onApplicationShutdown(): void {
    this.#end?.();
    this.#end = null;
  }

  /** One pass over all connections, every second. Does nothing during another pass. */
  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    if (this.connections.count === 0) {
      this.node.accountedUntil = this.node.attendedMs;
      return;
    }
    this.#sweeping = true;
    try {
      // Pending input is read before any connection is judged.
      await new Promise(resolve => setImmediate(resolve));
      const begunAt = this.node.attendedMs;
      await inSlices(this.connections.all(), connection => this.#inspect(connection));
      this.node.accountedUntil = begunAt;
    } finally {
      this.#sweeping = false;
    }
  }

  #inspect(connection: Connection): void {
    const { pulse, channel } = connection;
    if (connection.state === 'closing') return;
    const { isHalted } = channel;
    if (isHalted || !channel.hasIncompleteMessage) return this.#rest(connection, isHalted);
    const flow = flowOf(connection);
    this.#noteBytes(connection, flow);
    const now = this.node.attendedMs;
    // A message that was completed meanwhile was another one.
    if (flow.incompleteSince === NEVER || pulse.messageAt > flow.incompleteSince) flow.incompleteSince = now;
    const { messageTimeoutMs } = this.node.options.limits;
    if (messageTimeoutMs === 0 || now - flow.incompleteSince < messageTimeoutMs) return;
    const closing: Closing = {
      code: CloseCodes.rate.code,
      reason: 'message unfinished for too long',
      by: 'server',
    };
    if (!connection.end(closing, { kind: 'incomplete' })) return;
    this.events.announce({ type: 'message-refused', id: connection.id, reason: 'unfinished' });
  }

  /** No message is incomplete. A connection that is not read keeps its record: more bytes of a message may follow. */
  #rest(connection: Connection, isHalted: boolean): void {
    const flow = knownFlowOf(connection);
    if (flow === null) return;
    flow.incompleteSince = NEVER;
    if (flow.queue !== null) notePause(connection, flow.queue, this.node.clock.now());
    if (connection.channel.bytesWaiting === 0) flow.drained();
    if (!isHalted && flow.isIdle(this.node.attendedMs)) connection.flow = null;
  }

  /**
   * Bytes that are new since the previous sweep and since the last check arrived after the later of the two. Their exact time is unknown.
   */
  #noteBytes(connection: Connection, flow: FlowRecord): void {
    const { bytesRead } = connection.channel;
    const { bytesSeen, checkedAt } = connection.pulse;
    if (bytesRead !== bytesSeen && bytesRead !== flow.bytesSwept) {
      connection.pulse.bytesCame(Math.max(this.node.accountedUntil, checkedAt), this.node.clock.now());
    }
    flow.bytesSwept = bytesRead;
  }
}
