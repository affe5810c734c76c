import { Inject, Injectable } from '@nestjs/common';

import { HEARTBEAT_BUS } from '../base/heartbeat.tokens.js';
import { ConnectionService } from '../connection/connection.service.js';
import type { ConnectionView } from '../connection/listing/connection-view.js';
import { filterOnWire } from '../connection/listing/filter-codec.js';
import { NodeState } from '../node/node-state.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { ClusterMembership } from '../messaging/cluster-membership.js';
import { NodeDirectory } from '../messaging/node-directory.js';
import { NodeRequests, type Outcome } from '../messaging/node-requests.js';
import { nodeAnswers } from '../messaging/node-answers.js';
import type { ClusterPage } from './cluster-answers.js';
import { KEYS, type KeysReply, LIST, type ListReply, type ListRequest, ROWS } from './list-requests.js';
import { RequestTurns } from '../messaging/request-turns.js';
import { type NodePage, positionOf } from './merge-pages.js';
import { keyPageOf, pageWithRows } from './page-rows.js';

/** Lists that run at once: the replies of 50 nodes to this many are 5 MB. */
const LISTS_AT_ONCE = 8;

/** One page of this node, and the numbers that a list shows with it. */
interface OwnPage extends NodePage<ConnectionView> {
  readonly total: number;
  readonly connections: number;
}

/**
 * Pages over all nodes, in two steps: the nodes send the keys of their first rows, and then only the rows on the page. A page of 500 over
 * 50 nodes takes 1 MB of replies; 50 times 500 whole rows would take 14 MB.
 */
@Injectable()
export class ClusterLists {
  readonly #turns = new RequestTurns(LISTS_AT_ONCE);
  readonly #list;
  readonly #keys;
  readonly #rows;

  constructor(
    private readonly node: NodeState,
    private readonly connections: ConnectionService,
    @Inject(HEARTBEAT_BUS) private readonly bus: ClusterBus,
    private readonly membership: ClusterMembership,
    private readonly directory: NodeDirectory,
    requests: NodeRequests,
  ) {
    this.#list = requests.handle('list', LIST, async request => {
      const { rows, hasMore, total, connections: count } = await this.#ownPage(request);
      return { rows: rows.map(({ key, item }) => ({ key, item })), hasMore, total, connections: count };
    });
    this.#keys = requests.handle('keys', KEYS, async request => {
      const { rows, hasMore, total, connections: count } = await this.#ownPage(request);
      const keys = rows.map(({ key, id }): KeysReply['keys'][number] => [key, id.slice(node.id.length + 1)]);
      return { keys, hasMore, total, connections: count };
    });
    this.#rows = requests.handle('rows', ROWS, ({ ids }) => ({ items: ids.map(id => this.#ownRow(id)) }));
  }

  async page(request: ListRequest): Promise<ClusterPage> {
    if (!this.bus.isShared) return this.#page(request, true);
    return this.#turns.run(hasTurn => this.#page(request, hasTurn), this.node.options.cluster.requestTimeoutMs);
  }

  /** @param hasTurn Without a turn the page contains the rows of this node only, and the other nodes count as silent. */
  async #page(request: ListRequest, hasTurn: boolean): Promise<ClusterPage> {
    const since = this.node.clock.now();
    const [own, { requested, outcomes }] = await Promise.all([
      this.#ownPage(request),
      this.#otherPages(request, hasTurn, since),
    ]);
    const rows = new Map(own.rows.map(({ id, item }) => [id, item]));
    const ownPage: NodePage<string> = { ...own, rows: own.rows.map(({ key, id }) => ({ key, id, item: id })) };
    const pages = [ownPage];
    const silent: string[] = [];
    for (const { id } of requested) {
      const outcome = outcomes.get(id);
      if (outcome?.status === 'ok') pages.push(keyPageOf(id, outcome.body, rows));
      else silent.push(id);
    }
    const { items, end, failed } = await pageWithRows(pages, silent, request, (id, ids) => this.#rowsOf(id, ids, rows));
    const complete = new Map([...outcomes].filter(([id]) => !failed.has(id)));
    let { total } = own;
    for (const outcome of complete.values()) if (outcome.status === 'ok') total += outcome.body.total;
    return { items, end, total, nodes: nodeAnswers(this.membership.report(), requested, complete) };
  }

  async #otherPages(request: ListRequest, hasTurn: boolean, since: number) {
    const requested = await this.directory.others(request.filter.node);
    const ids = hasTurn ? this.directory.reachable(requested) : [];
    if (ids.length === 0) return { requested, outcomes: new Map<string, Outcome<ListReply | KeysReply>>() };
    const body = { ...request, filter: filterOnWire(request.filter) };
    // While a node of an older version is in the cluster, all nodes send whole rows.
    const operation = this.directory.giveKeys(requested) ? this.#keys : this.#list;
    const outcomes: ReadonlyMap<string, Outcome<ListReply | KeysReply>> = await operation.send(ids, body, since);
    return { requested, outcomes };
  }

  /** Rows of one node: the known ones, or those that it sends. It has just replied, so it gets the whole time again. */
  async #rowsOf(nodeId: string, ids: readonly string[], known: ReadonlyMap<string, ConnectionView>) {
    if (ids.every(id => known.has(id))) return known;
    const outcome = (await this.#rows.send([nodeId], { ids: [...ids] })).get(nodeId);
    if (outcome?.status !== 'ok') return null;
    return new Map(outcome.body.items.flatMap(item => (item === null ? [] : [[item.id, item]])));
  }

  async #ownPage({ filter, sort, order, limit, after }: ListRequest): Promise<OwnPage> {
    const from = positionOf(this.node.id, after);
    const query = { filter, sort, order, limit, after: from };
    const { items, keys, end, total } = await this.connections.listInSlices(query);
    const rows = items.map((item, place) => ({ key: keys[place] ?? null, id: item.id, item }));
    return { nodeId: this.node.id, rows, hasMore: end !== null, total, connections: this.connections.count };
  }

  #ownRow(id: string): ConnectionView | null {
    const detail = this.connections.detail(id);
    if (detail === undefined) return null;
    const { flight: _, ...row } = detail;
    return row;
  }
}
