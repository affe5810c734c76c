import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';

import { HeartbeatError } from '../base/heartbeat.error.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { ConnectionService } from '../connection/connection.service.js';
import type { ConnectionFilter } from '../connection/listing/connection-filter.js';
import { filterFromWire, filterOnWire } from '../connection/listing/filter-codec.js';
import { payloadOf } from '../connection/payload.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { NodeMessages } from '../messaging/node-messages.js';
import { MAX_MESSAGE_BYTES } from '../messaging/wire.js';

/** A message for all connections that match: text, or bytes in base64. */
export const deliver = z.object({
  filter: filterFromWire,
  text: z.string().optional(),
  bytes: z.base64().optional(),
});

/** Messages of the application to the connections of all nodes, at most once. */
@Injectable()
export class Deliveries {
  constructor(
    private readonly connections: ConnectionService,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly messages: NodeMessages,
  ) {
    messages.handle('deliver', deliver, ({ filter, text, bytes }) => {
      const payload = bytes === undefined ? text : Buffer.from(bytes, 'base64');
      if (payload !== undefined) this.connections.broadcast(payload, filter, 'cluster');
    });
  }

  /**
   * Sends to all connections that match. Returns the number of matches on this node.
   * @throws HeartbeatError `HEARTBEAT_MESSAGE_TOO_LARGE` for a message that is larger than other nodes read.
   */
  broadcast(data: unknown, filter: ConnectionFilter): number {
    if (this.bus.isShared) this.#sendToOthers(payloadOf(data), filter);
    return this.connections.broadcast(data, filter, 'cluster');
  }

  #sendToOthers(payload: string | Buffer, filter: ConnectionFilter): void {
    const content = typeof payload === 'string' ? { text: payload } : { bytes: payload.toString('base64') };
    const text = this.messages.encode('deliver', { filter: filterOnWire(filter), ...content });
    if (text.length > MAX_MESSAGE_BYTES) {
      const problem = `a message of ${text.length} bytes is more than nodes accept from each other (${MAX_MESSAGE_BYTES})`;
      throw new HeartbeatError('HEARTBEAT_MESSAGE_TOO_LARGE', problem);
    }
    this.messages.sendText(null, text);
  }
}
