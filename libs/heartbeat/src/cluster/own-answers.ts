import { Injectable } from '@nestjs/common';

import type { ClosedView, ConnectionDetail, ConnectionView } from '../connection/listing/connection-view.js';
import { checkedCondition } from '../connection/listing/connection-filter.js';
import type { Kick } from '../connection/connection.types.js';
import { ConnectionService } from '../connection/connection.service.js';
import { NodeState } from '../connection/node-state.js';
import { inSlices } from '../base/slices.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { type NodePage, positionOf } from './merge-pages.js';
import { NodeRequests } from '../messaging/node-requests.js';
import type { ClusterMessage, ReplyOf, RequestOf } from '../messaging/wire.js';

/** One page of this node, and what a list says beside it. */
export interface OwnPage extends NodePage<ConnectionView> {
  readonly total: number;
  readonly connections: number;
}

/** The share of the time for a response after which a node answers, though its work goes on. */
const ANSWER_SHARE = 0.4;

/** What this node answers and does when the cluster asks; also where the asker is this node itself. */
@Injectable()
export class OwnAnswers {
  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    requests: NodeRequests,
    private readonly link: ClusterMembership,
  ) {
    requests.answerWith({
      list: request => this.#wirePage(request),
      keys: request => this.#wireKeys(request),
      rows: ({ ids }) => ({ items: ids.map(id => this.#wireRow(id)) }),
      detail: ({ id }) => this.#wireDetail(id),
      kick: ({ id, kick }) => this.kick(id, kick),
      'kick-all': request => this.kickAll(request),
      closed: request => this.closed(request),
      'closed-detail': ({ id }) => this.closedDetail(id),
    });
    link.messages.subscribe(message => {
      if (message.kind === 'deliver') this.#deliver(message);
    });
  }

  async list({ filter, sort, order, limit, after }: RequestOf<'list'>): Promise<OwnPage> {
    const from = positionOf(this.node.id, after);
    const query = { filter, sort, order, limit, after: from };
    const { items, keys, end, total } = await this.connections.listInSlices(query);
    const rows = items.map((item, place) => ({ key: keys[place] ?? null, id: item.id, item }));
    return { nodeId: this.node.id, rows, hasMore: end !== null, total, connections: this.connections.count };
  }

  detail(id: string): ConnectionDetail | undefined {
    return this.connections.detail(id);
  }

  kick(id: string, kick: Kick): ReplyOf<'kick'> {
    if (this.connections.kick(id, kick)) return 'closing';
    return this.connections.get(id) === undefined ? 'not-found' : 'already-closing';
  }

  /**
   * Kicks in slices, between which waiting I/O has its turn. Answers within the time for a response: the kicks that have not begun by
   * then are counted as kicked where their connection is open, and go on.
   * @throws HeartbeatError `HEARTBEAT_BAD_QUERY` (as a rejection) for a filter without a condition, of older nodes too.
   */
  async kickAll({ filter, kick }: RequestOf<'kick-all'>): Promise<ReplyOf<'kick-all'>> {
    const matches = this.connections.find(checkedCondition(filter));
    let [reached, kicked] = [0, 0];
    const work = inSlices(matches, ({ id }) => {
      reached++;
      if (this.connections.kick(id, kick)) kicked++;
    }).catch((error: unknown) => this.link.failed('request', error));
    await withinTime(work, this.node.options.cluster.requestTimeoutMs * ANSWER_SHARE);
    const left = matches.slice(reached).filter(({ state }) => state !== 'closing').length;
    return { kicked: kicked + left, failed: matches.length - kicked - left, connections: this.connections.count };
  }

  closed({ limit, after }: RequestOf<'closed'>): ReplyOf<'closed'> {
    const found = this.connections.closedHistory({ limit: limit + 1, after });
    return { items: found.slice(0, limit).map(onWire), hasMore: found.length > limit };
  }

  closedDetail(id: string): ReplyOf<'closed-detail'> {
    const detail = this.connections.closedDetail(id);
    return detail === undefined ? null : onWire(detail);
  }

  async #wirePage(request: RequestOf<'list'>): Promise<ReplyOf<'list'>> {
    const { rows, hasMore, total, connections } = await this.list(request);
    return { rows: rows.map(({ key, item }) => ({ key, item: { ...item } })), hasMore, total, connections };
  }

  async #wireKeys(request: RequestOf<'keys'>): Promise<ReplyOf<'keys'>> {
    const { rows, hasMore, total, connections } = await this.list(request);
    return { keys: rows.map(({ key, id }) => [key, id.slice(this.node.id.length + 1)]), hasMore, total, connections };
  }

  #wireRow(id: string): ReplyOf<'rows'>['items'][number] {
    const detail = this.detail(id);
    if (detail === undefined) return null;
    const { flight: _, ...row } = detail;
    return row;
  }

  #wireDetail(id: string): ReplyOf<'detail'> {
    const detail = this.detail(id);
    return detail === undefined ? null : { ...detail, flight: [...detail.flight] };
  }

  #deliver({ filter, text, bytes }: Extract<ClusterMessage, { kind: 'deliver' }>): void {
    if (bytes !== undefined) this.connections.broadcast(Buffer.from(bytes, 'base64'), filter, 'cluster');
    else if (text !== undefined) this.connections.broadcast(text, filter, 'cluster');
  }
}

/** Waits for `work`, but no longer than `ms`. */
async function withinTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>(resolve => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

function onWire(view: ClosedView): NonNullable<ReplyOf<'closed-detail'>> {
  return { ...view, flight: [...view.flight] };
}
