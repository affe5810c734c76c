import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';

import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { HeartbeatEvents, type RefusalReason } from '../heartbeat.events.js';
import { clientAddress } from './client-address.js';

/** An upgrade that is not let in: the HTTP answer. */
export interface Refusal {
  readonly status: number;
  readonly reason: RefusalReason;
  readonly detail: string;
  /** For 429 and 503, in seconds. */
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** When to try again where nothing better is known, in seconds. */
const RETRY_AFTER_SECONDS = 5;

/** Says who may come in, before the upgrade is answered; the cheapest check first. */
@Injectable()
export class AdmissionService {
  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly events: HeartbeatEvents,
  ) {}

  /** Null when this upgrade may be answered with 101 now. */
  check(request: IncomingMessage, pathIsServed: boolean): Refusal | null {
    if (!this.node.bootstrapped) {
      return {
        status: 503,
        reason: 'starting',
        detail: 'The server is starting: try again in a moment.',
        retryAfterSeconds: 1,
      };
    }
    if (this.node.doorShut) {
      const retryAfterSeconds = Math.max(1, Math.ceil(this.connections.returnDelay() / 1000));
      return {
        status: 503,
        reason: 'draining',
        detail: 'The server is going away: connect again, to another node.',
        retryAfterSeconds,
      };
    }
    if (this.connections.count >= this.node.options.limits.maxConnections) {
      const detail = `This node holds all the connections it may (${this.node.options.limits.maxConnections}): try again later.`;
      return { status: 503, reason: 'at-capacity', detail, retryAfterSeconds: RETRY_AFTER_SECONDS };
    }
    if (!pathIsServed) {
      const path = request.url?.split('?', 1)[0];
      return { status: 404, reason: 'no-such-path', detail: `No WebSocket is served at ${path}: correct the path.` };
    }
    return null;
  }

  /** The address that counts as the client's. */
  addressOf(request: IncomingMessage): string {
    return clientAddress(request);
  }

  /** Tells that an upgrade was refused. */
  refused(request: IncomingMessage, { status, reason }: Refusal): void {
    this.events.announce({ type: 'refused', status, reason, ip: this.addressOf(request) });
  }
}
