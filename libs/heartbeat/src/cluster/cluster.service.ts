import { Injectable } from '@nestjs/common';
import { z } from 'zod';

import { Handled } from '../base/handled.js';
import { wireId } from '../base/wire-values.js';
import { nodeIdOf } from '../connection/connection-id.js';
import { callOf } from '../connection/application-call.js';
import { ConnectionService } from '../connection/connection.service.js';
import type { Kick } from '../connection/connection.types.js';
import { assertText, badQuery, checkedFilter, type ConnectionFilter } from '../connection/listing/connection-filter.js';
import { MAX_PAGE } from '../connection/listing/connection-query.js';
import { type ConnectionDetail, detailFromWire } from '../connection/listing/connection-view.js';
import { HeartbeatEvents } from '../connection/heartbeat.events.js';
import { NodeState } from '../node/node-state.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import type { ClusterNode } from '../messaging/cluster-node.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { nodeSilent, NodeRequests } from '../messaging/node-requests.js';
import type { BulkKick, ClusterKick, ClusterPage, ClusterQuery, KickOutcome } from './cluster-answers.js';
import { ClusterKicks } from './cluster-kicks.js';
import { ClusterLists } from './cluster-lists.js';
import { Deliveries } from './deliveries.js';

export const DETAIL = { request: z.object({ id: wireId }), reply: detailFromWire.nullable() };

/**
 * The connections of all nodes. Every node owns its connections. Other nodes send it requests, and wait no longer than
 * `cluster.requestTimeoutMs`. Without Redis, or while it is lost, this node is the cluster.
 */
@Injectable()
export class ClusterService {
  readonly #detail;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    private readonly lists: ClusterLists,
    private readonly kicks: ClusterKicks,
    private readonly deliveries: Deliveries,
    requests: NodeRequests,
    private readonly events: HeartbeatEvents,
  ) {
    this.#detail = requests.handle('detail', DETAIL, ({ id }) => connections.detail(id) ?? null);
  }

  /** The id of this node: its name, and a random part for each start. */
  get nodeId(): string {
    return this.node.id;
  }

  /** Whether Redis does not respond, so that other nodes cannot be reached. */
  get isDegraded(): boolean {
    return this.node.clusterLost;
  }

  /** Every node whose lease has not ended; this one first. */
  @Handled()
  async nodes(): Promise<ClusterNode[]> {
    return [this.membership.report(), ...(await this.directory.others())];
  }

  /**
   * One sorted page over all nodes. Silent nodes are listed; their rows follow on a later page if they reply again.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a `limit` that is not from 1 to 500, or a condition that is unknown
   * or has no value.
   */
  @Handled()
  async list(query: ClusterQuery = {}): Promise<ClusterPage> {
    const { sort = 'openedAt', order = 'asc', limit = 50, after = null } = query;
    const filter = checkedFilter(query.filter ?? {});
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
      const rule = `must be a whole number from 1 to ${MAX_PAGE}`;
      throw badQuery([{ key: 'limit', value: limit, rule, remedy: 'take several pages' }]);
    }
    return this.lists.page({ filter, sort, order, limit, after });
  }

  /**
   * One connection with its flight record, on any node; undefined if there is none.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) when its node does not reply.
   */
  @Handled()
  async get(id: string): Promise<ConnectionDetail | undefined> {
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined) return undefined;
    if (nodeId === this.node.id) return this.connections.detail(id);
    const since = this.node.clock.now();
    if (!(await this.directory.mayLive(nodeId))) return undefined;
    const outcome = (await this.#detail.send([nodeId], { id }, since)).get(nodeId);
    if (outcome?.status === 'ok') return outcome.body ?? undefined;
    throw nodeSilent(nodeId);
  }

  /**
   * Begins to close a connection with 4500, or 4005 where it may reconnect, on any node.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a `banForMs` that is not a whole number from 1, or beside `reconnect`.
   */
  @Handled()
  async kick(id: string, kick: ClusterKick = {}): Promise<KickOutcome> {
    const outcome = await this.kicks.kick(id, kick);
    this.events.calls.next(callOf('kick', id, outcome === 'closing' ? 'done' : outcome, kick));
    return outcome;
  }

  /**
   * Kicks all that match, on every node.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a filter without a condition, and for a condition that is unknown,
   * has no value or is an empty text. Then no connection is kicked. For all: `{ minAgeMs: 0 }`.
   */
  @Handled()
  async kickAll(filter: ConnectionFilter, kick: Kick = {}): Promise<BulkKick> {
    const { nodes, ...after } = await this.kicks.kickAll(filter, kick);
    const isWhole = nodes.every(({ status }) => status === 'ok');
    const call = callOf('kick-all', this.node.id, isWhole ? 'done' : 'unconfirmed', { filter, ...kick });
    this.events.calls.next({ ...call, after });
    return { ...after, nodes };
  }

  /**
   * Sends to all connections that match, on every node, at most once. Returns the number of matches on this node. The other nodes confirm
   * nothing: messages that do not reach them are counted in `cluster_errors_total`.
   * @param given Default: all.
   * @throws HeartbeatError `HEARTBEAT_MESSAGE_TOO_LARGE` for a message that is larger than other nodes accept; `HEARTBEAT_BAD_QUERY` for a
   * condition that is unknown or has no value. Then nothing is sent.
   */
  broadcast(data: unknown, given: ConnectionFilter = {}): number {
    return this.deliveries.broadcast(data, checkedFilter(given));
  }

  /** The same for the connections of one user. */
  sendToUser(userId: string, data: unknown): number {
    assertText('userId', userId);
    return this.broadcast(data, { user: userId });
  }
}
