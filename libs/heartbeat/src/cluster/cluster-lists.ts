import type { ConnectionView } from '../connection/listing/connection-view.js';
import type { ConnectionFilter } from '../connection/listing/connection-filter.js';
import type { NodeState } from '../connection/node-state.js';
import type { ClusterNode } from '../messaging/cluster-node.js';
import type { ClusterPage } from './cluster-answers.js';
import type { ClusterBus } from '../messaging/cluster-bus.js';
import { ListTurns } from './list-turns.js';
import type { NodePage } from './merge-pages.js';
import type { OwnAnswers } from './own-answers.js';
import { keyPageOf, pageWithRows } from './page-rows.js';
import type { Answer, NodeRequests } from '../messaging/node-requests.js';
import type { RequestOf } from '../messaging/wire.js';

/** What a list needs to know of the other nodes. */
interface OtherNodes {
  /** Those that a filter can mean. */
  meant(filter: ConnectionFilter): Promise<ClusterNode[]>;
  /** Whether all of them know the operations `keys` and `rows`. */
  giveKeys(nodes: readonly ClusterNode[]): boolean;
}

export interface ListedPage extends Omit<ClusterPage, 'nodes'> {
  readonly asked: readonly ClusterNode[];
  /** Answers of nodes that gave all they were asked for. */
  readonly heard: ReadonlyMap<string, Answer<'list' | 'keys'>>;
}

/**
 * Pages over all nodes, in two steps: the nodes send what their first rows are sorted by, and then only those rows that are on the page. A
 * page of 500 over 50 nodes is 1 MB of answers, where 50 times 500 whole rows are 14 MB.
 */
export class ClusterLists {
  readonly #turns = new ListTurns();

  constructor(
    private readonly node: NodeState,
    private readonly bus: ClusterBus,
    private readonly requests: NodeRequests,
    private readonly own: OwnAnswers,
    private readonly others: OtherNodes,
  ) {}

  async page(request: RequestOf<'list'>): Promise<ListedPage> {
    if (!this.bus.isShared) return this.#page(request, true);
    return this.#turns.run(hasTurn => this.#page(request, hasTurn), this.node.options.cluster.requestTimeoutMs);
  }

  /** @param hasTurn Without a turn this node answers for itself, and the others count as silent. */
  async #page(request: RequestOf<'list'>, hasTurn: boolean): Promise<ListedPage> {
    const since = this.node.clock.now();
    const [own, { asked, answers }] = await Promise.all([this.own.list(request), this.#keys(request, hasTurn, since)]);
    const rows = new Map(own.rows.map(({ id, item }) => [id, item]));
    const ownPage: NodePage<string> = { ...own, rows: own.rows.map(({ key, id }) => ({ key, id, item: id })) };
    const pages = [ownPage];
    const silent: string[] = [];
    for (const { id } of asked) {
      const answer = answers.get(id);
      if (answer?.status === 'ok') pages.push(keyPageOf(id, answer.body, rows));
      else silent.push(id);
    }
    const { items, end, failed } = await pageWithRows(pages, silent, request, (id, ids) => this.#rows(id, ids, rows));
    const heard = new Map([...answers].filter(([id]) => !failed.has(id)));
    let { total } = own;
    for (const answer of heard.values()) if (answer.status === 'ok') total += answer.body.total;
    return { items, end, total, asked, heard };
  }

  async #keys(request: RequestOf<'list'>, hasTurn: boolean, since: number) {
    const asked = await this.others.meant(request.filter);
    const ids = hasTurn ? reachable(this.bus, asked) : [];
    // While a node of an older version is there, all send whole rows.
    const answers: ReadonlyMap<string, Answer<'list' | 'keys'>> = this.others.giveKeys(asked)
      ? await this.requests.ask(ids, 'keys', request, since)
      : await this.requests.ask(ids, 'list', request, since);
    return { asked, answers };
  }

  /** Rows of one node: those that are known, or what the node answers. It has answered a moment ago, and has the whole time once more. */
  async #rows(nodeId: string, ids: readonly string[], known: ReadonlyMap<string, ConnectionView>) {
    if (ids.every(id => known.has(id))) return known;
    const answer = (await this.requests.ask([nodeId], 'rows', { ids: [...ids] })).get(nodeId);
    if (answer?.status !== 'ok') return null;
    return new Map(answer.body.items.flatMap(item => (item === null ? [] : [[item.id, item as ConnectionView]])));
  }
}

/** Without Redis no node can be reached, and none is waited for. */
export function reachable(bus: ClusterBus, nodes: readonly ClusterNode[]): string[] {
  return bus.isUp ? nodes.map(({ id }) => id) : [];
}
