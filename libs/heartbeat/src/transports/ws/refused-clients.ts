import type { IncomingMessage } from 'node:http';

import type { WebSocket } from 'ws';

import type { ClientAddresses } from '../../admission/client-addresses.js';
import { closeOf, isOfThisNode, type Refusal, type RefusalClose } from '../../admission/refusal.js';
import type { TransportKind } from '../../connection/transport.js';
import type { ResolvedOptions } from '../../options/heartbeat.options.js';
import { LINGER_MS } from './upgrade-answer.js';

/** Maximum of refused clients that are closing at once. */
const MOST = 1000;

/**
 * Refused clients whose upgrade was finished only to send them a close code. Each is a complete WebSocket that no limit counts. So their
 * number is limited, each is destroyed after a second, and further clients are refused by HTTP.
 */
export class RefusedClients {
  #count = 0;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly addresses: ClientAddresses,
  ) {}

  /**
   * The close frame for a refused client; null for a refusal by HTTP. Behind a trusted proxy that is also a client that another node
   * could serve: a balancer retries there after a 503, and cannot after a finished upgrade.
   */
  closeFor(request: IncomingMessage, refusal: Refusal): RefusalClose | null {
    if (this.options.limits.refuseWith !== 'close' || this.#count >= MOST) return null;
    if (isOfThisNode(refusal) && this.addresses.isBehindProxy(request)) return null;
    return closeOf(refusal, this.options);
  }

  /** Closes with this code, and destroys the client if it has not answered after a second. */
  close(client: WebSocket, { code, reason }: RefusalClose, kind: TransportKind): void {
    this.linger(client);
    client.close(kind.sentCode(code), reason);
  }

  /** Counts a client that receives its refusal by itself, and destroys it if it has not closed after a second. */
  linger(client: WebSocket): void {
    this.#count++;
    const timer = setTimeout(() => client.terminate(), LINGER_MS);
    client.once('close', () => {
      clearTimeout(timer);
      this.#count--;
    });
    client.on('error', () => undefined);
  }
}
