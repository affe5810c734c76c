import { Inject, Injectable } from '@nestjs/common';

import type { ConnectionDetail } from '../connection/listing/connection-view.js';
import {
  assertText,
  badQuery,
  checkedCondition,
  checkedFilter,
  type ConnectionFilter,
} from '../connection/listing/connection-filter.js';
import { MAX_PAGE } from '../connection/listing/connection-query.js';
import type { Kick } from '../connection/connection.types.js';
import { ConnectionService } from '../connection/connection.service.js';
import { nodeIdOf } from '../connection/connection-id.js';
import { NodeState } from '../connection/node-state.js';
import { payloadOf } from '../connection/payload.js';
import { Handled } from '../base/handled.js';
import { HeartbeatError } from '../base/heartbeat.error.js';
import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import type { ClusterNode } from '../messaging/cluster-node.js';
import type { BulkKick, ClusterPage, ClusterQuery, KickOutcome, NodeAnswer } from './cluster-answers.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { ClusterLists, reachable } from './cluster-lists.js';
import { OwnAnswers } from './own-answers.js';
import { type Answer, NodeRequests } from '../messaging/node-requests.js';
import { decodeSummary, encode, MAX_MESSAGE_BYTES, type Operation, type RequestOf } from '../messaging/wire.js';

/**
 * All nodes as if they were one. Every node owns its connections; the others ask it, and wait no longer than
 * `cluster.requestTimeoutMs`. Without Redis, or while it is lost, this node is the cluster.
 */
@Injectable()
export class ClusterService {
  /** The other nodes as Redis told them last, and when they renewed their leases, on our clock. */
  readonly #known = new Map<string, Known>();
  readonly #lists: ClusterLists;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly link: ClusterMembership,
    private readonly requests: NodeRequests,
    private readonly own: OwnAnswers,
  ) {
    this.#lists = new ClusterLists(node, bus, requests, own, {
      meant: filter => this.#meant(filter),
      giveKeys: nodes => nodes.every(({ id }) => this.#known.get(id)?.givesKeys),
    });
    link.messages.subscribe(({ kind, from }) => {
      if (kind === 'left') this.#known.delete(from);
    });
  }

  /** Id of this node: its name, and a random part for each start. */
  get nodeId(): string {
    return this.node.id;
  }

  /** Whether Redis does not answer, so that other nodes are out of sight. */
  get isDegraded(): boolean {
    return this.node.clusterLost;
  }

  /** Every node whose lease has not run out; this one first. */
  @Handled()
  async nodes(): Promise<ClusterNode[]> {
    return [this.link.report(), ...(await this.#others())];
  }

  /**
   * One sorted page over all nodes. Silent nodes are named; their rows come on a later page if they answer again.
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
    const request: RequestOf<'list'> = { filter, sort, order, limit, after };
    const { asked, heard, ...page } = await this.#lists.page(request);
    return { ...page, nodes: this.#said(asked, heard) };
  }

  /**
   * One connection with its flight record, wherever it is; undefined if there is none.
   * @throws HeartbeatError `HEARTBEAT_NODE_SILENT` (as a rejection) when its node does not say.
   */
  @Handled()
  async get(id: string): Promise<ConnectionDetail | undefined> {
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined) return undefined;
    if (nodeId === this.node.id) return this.own.detail(id);
    const since = this.node.clock.now();
    if (!(await this.mayLive(nodeId))) return undefined;
    const answer = (await this.requests.ask([nodeId], 'detail', { id }, since)).get(nodeId);
    if (answer?.status === 'ok') return (answer.body as ConnectionDetail | null) ?? undefined;
    throw new HeartbeatError('HEARTBEAT_NODE_SILENT', `the node ${nodeId} does not answer: ask again in a moment`);
  }

  /** Begins to close one with 4500, or 4005 where it may reconnect, wherever it is. */
  @Handled()
  async kick(id: string, kick: Kick = {}): Promise<KickOutcome> {
    const nodeId = nodeIdOf(id);
    if (nodeId === undefined) return 'not-found';
    if (nodeId === this.node.id) return this.own.kick(id, kick);
    const since = this.node.clock.now();
    if (!(await this.mayLive(nodeId))) return 'not-found';
    const answer = (await this.requests.ask([nodeId], 'kick', { id, kick }, since)).get(nodeId);
    return answer?.status === 'ok' ? answer.body : 'unconfirmed';
  }

  /**
   * Kicks all that match, on every node.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a filter without a condition, and for a condition that is unknown,
   * has no value or is an empty text. No connection is kicked then. For all: `{ minAgeMs: 0 }`.
   */
  @Handled()
  async kickAll(given: ConnectionFilter, kick: Kick = {}): Promise<BulkKick> {
    const filter = checkedCondition(given);
    const [own, { asked, answers }] = await Promise.all([
      this.own.kickAll({ filter, kick }),
      this.#ask(filter, 'kick-all', { filter, kick }),
    ]);
    let { kicked, failed } = own;
    for (const answer of answers.values()) {
      if (answer.status !== 'ok') continue;
      kicked += answer.body.kicked;
      failed += answer.body.failed;
    }
    return { kicked, failed, nodes: this.#said(asked, answers) };
  }

  /**
   * Sends to all that match, on every node, at most once; answers to how many on this node. The others do not say: what does not
   * reach them is counted in `cluster_errors_total`.
   * @param given Default: all.
   * @throws HeartbeatError `HEARTBEAT_MESSAGE_TOO_LARGE` for more than other nodes would take; `HEARTBEAT_BAD_QUERY` for a condition that
   * is unknown or has no value. Nothing is sent then.
   */
  broadcast(data: unknown, given: ConnectionFilter = {}): number {
    const filter = checkedFilter(given);
    if (this.bus.isShared) this.#passOn(payloadOf(data), filter);
    return this.connections.broadcast(data, filter, 'cluster');
  }

  /** The same for the connections of one user. */
  sendToUser(userId: string, data: unknown): number {
    assertText('userId', userId);
    return this.broadcast(data, { user: userId });
  }

  #passOn(payload: string | Buffer, filter: ConnectionFilter): void {
    const content = typeof payload === 'string' ? { text: payload } : { bytes: payload.toString('base64') };
    const text = encode({ kind: 'deliver', from: this.node.id, filter, ...content });
    if (text.length > MAX_MESSAGE_BYTES) {
      const problem = `a message of ${text.length} bytes is more than nodes take from each other (${MAX_MESSAGE_BYTES})`;
      throw new HeartbeatError('HEARTBEAT_MESSAGE_TOO_LARGE', problem);
    }
    this.link.sendText(null, text);
  }

  /**
   * The other nodes: those with a lease, and those that had one a moment ago and did not leave. A Redis that was emptied does not know
   * them until they renew, and one that is lost tells nothing.
   */
  async #others(): Promise<ClusterNode[]> {
    if (!this.bus.isShared) return [];
    const listed = new Set<string>();
    try {
      for (const { nodeId, summary, ageMs } of await this.bus.leases()) {
        const read = nodeId === this.node.id ? null : decodeSummary(summary);
        if (read === null && nodeId !== this.node.id) this.link.failed('message');
        if (read === null) continue;
        const { givesKeys = false, ...summaryOf } = read;
        listed.add(nodeId);
        const renewedAt = this.node.clock.now() - ageMs;
        this.#known.set(nodeId, { node: { id: nodeId, ...summaryOf, ageMs }, renewedAt, givesKeys });
      }
    } catch (error) {
      this.link.failed('lease', error);
    }
    for (const id of this.#known.keys()) if (!listed.has(id) && !this.#isRecent(id)) this.#known.delete(id);
    const now = this.node.clock.now();
    return [...this.#known.values()].map(({ node, renewedAt }) => ({
      ...node,
      ageMs: Math.max(0, Math.round(now - renewedAt)),
    }));
  }

  /** Whether a node had a lease a moment ago, and did not leave. */
  #isRecent(nodeId: string): boolean {
    const renewedAt = this.#known.get(nodeId)?.renewedAt ?? -Infinity;
    return this.node.clock.now() - renewedAt < this.node.options.cluster.leaseMs;
  }

  async #ask<Name extends Operation>(filter: ConnectionFilter, operation: Name, request: RequestOf<Name>) {
    const since = this.node.clock.now();
    const asked = await this.#meant(filter);
    return { asked, answers: await this.requests.ask(reachable(this.bus, asked), operation, request, since) };
  }

  /** The other nodes that a filter can mean. */
  async #meant(filter: ConnectionFilter): Promise<ClusterNode[]> {
    const isMeant = ({ id, name }: ClusterNode) => filter.node === undefined || [id, name].includes(filter.node);
    return (await this.#others()).filter(isMeant);
  }

  /** What is said of each node beside an answer; of a silent one its last report. */
  #said(
    asked: readonly ClusterNode[],
    answers: ReadonlyMap<string, Answer<'list' | 'keys' | 'kick-all'>>,
  ): NodeAnswer[] {
    const own: NodeAnswer = { id: this.node.id, status: 'ok', connections: this.connections.count, ageMs: 0 };
    const others = asked.map(({ id, connections, ageMs }): NodeAnswer => {
      const answer = answers.get(id);
      if (answer?.status === 'ok') return { id, status: 'ok', connections: answer.body.connections, ageMs: 0 };
      return { id, status: answer?.status ?? 'timeout', connections, ageMs };
    });
    return [own, ...others];
  }

  /**
   * Whether a node may be there; while Redis is lost any may.
   * @internal
   */
  @Handled()
  async mayLive(nodeId: string): Promise<boolean> {
    if (!this.bus.isShared) return false;
    try {
      return (await this.bus.hasLease(nodeId)) || this.#isRecent(nodeId);
    } catch (error) {
      this.link.failed('lease', error);
      return true;
    }
  }
}

/** Another node by its last lease; `renewedAt` is a moment of this node's clock. */
interface Known {
  readonly node: ClusterNode;
  readonly renewedAt: number;
  /** Whether it lists by keys; older versions do not. */
  readonly givesKeys: boolean;
}
