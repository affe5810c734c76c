import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { wireId } from '../base/wire-values.js';
import { nodeIdOf } from '../connection/connection-id.js';
import { ConnectionService } from '../connection/connection.service.js';
import { MAX_PAGE } from '../connection/listing/connection-query.js';
import { closedFromWire, type ClosedView } from '../connection/listing/connection-view.js';
import { NodeState } from '../node/node-state.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';

export const CLOSED = {
  request: z.object({ limit: z.number().int().min(1).max(MAX_PAGE), after: wireId.nullable() }),
  reply: z.object({ items: z.array(closedFromWire).max(MAX_PAGE), hasMore: z.boolean() }),
};
export const CLOSED_DETAIL = { request: z.object({ id: wireId }), reply: closedFromWire.nullable() };

type Page = z.output<typeof CLOSED.reply>;

/** The connections that have ended, on any node. Each node keeps its own. */
@Injectable()
export class ClosedConnections {
  readonly #page;
  readonly #detail;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#page = requests.handle('closed', CLOSED, request => this.#ownPage(request));
    this.#detail = requests.handle('closed-detail', CLOSED_DETAIL, ({ id }) => connections.closedDetail(id) ?? null);
  }

  /**
   * A page of one node, newest first.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection), also below.
   */
  page(nodeId: string, request: z.output<typeof CLOSED.request>): Promise<Page> {
    return this.#page.sendToOne(nodeId, request);
  }

  /** Returns null for an id that no node has kept. */
  async get(id: string): Promise<ClosedView | null> {
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined) return null;
    const isOwn = nodeId === this.node.id;
    return isOwn || (await this.directory.mayLive(nodeId)) ? this.#detail.sendToOne(nodeId, { id }) : null;
  }

  #ownPage({ limit, after }: z.output<typeof CLOSED.request>): Page {
    const found = this.connections.closedHistory({ limit: limit + 1, after });
    return { items: found.slice(0, limit), hasMore: found.length > limit };
  }
}
