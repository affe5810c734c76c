import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { wireId, wireText } from '../base/wire-values.js';
import { nodeIdOf } from '../connection/connection-id.js';
import { ConnectionService } from '../connection/connection.service.js';
import type { ClosedPage, ClosedQuery } from '../connection/history/closed-history.js';
import { MAX_PAGE } from '../connection/listing/connection-query.js';
import { closedFromWire, type ClosedView } from '../connection/listing/connection-view.js';
import { NodeState } from '../node/node-state.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests } from '../messaging/node-requests.js';

const reply = z.object({ items: z.array(closedFromWire).max(MAX_PAGE), hasMore: z.boolean() });
const page = z.object({ limit: z.number().int().min(1).max(MAX_PAGE), after: wireId.nullable() });
const filter = z.object({
  code: z.number().optional(),
  by: z.enum(['client', 'server', 'operator', 'network']).optional(),
  user: wireText.optional(),
  ip: wireText.optional(),
  since: z.number().optional(),
});

export const CLOSED = { request: page, reply };
/** A request of its own, since a node of an older version ignores the filter of the other one. */
export const CLOSED_FILTERED = { request: page.extend({ filter }), reply };
export const CLOSED_DETAIL = { request: z.object({ id: wireId }), reply: closedFromWire.nullable() };

/** The connections that have ended, on any node. Each node keeps its own. */
@Injectable()
export class ClosedConnections {
  readonly #page;
  readonly #filtered;
  readonly #detail;

  constructor(
    private readonly node: NodeState,
    { history }: ConnectionService,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#page = requests.handle('closed', CLOSED, query => history.page({ ...query, filter: {} }));
    this.#filtered = requests.handle('closed-filtered', CLOSED_FILTERED, query => history.page(query));
    this.#detail = requests.handle('closed-detail', CLOSED_DETAIL, ({ id }) => history.get(id) ?? null);
  }

  /**
   * A page of one node, newest first.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection), also below.
   */
  page(nodeId: string, query: ClosedQuery): Promise<ClosedPage> {
    const { limit, after } = query;
    if (Object.keys(query.filter).length === 0) return this.#page.sendToOne(nodeId, { limit, after });
    return this.#filtered.sendToOne(nodeId, query);
  }

  /** Returns null for an id that no node has kept. */
  async get(id: string): Promise<ClosedView | null> {
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined) return null;
    const isOwn = nodeId === this.node.id;
    return isOwn || (await this.directory.mayLive(nodeId)) ? this.#detail.sendToOne(nodeId, { id }) : null;
  }
}
