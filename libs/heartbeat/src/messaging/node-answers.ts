import type { ClusterNode } from './cluster-node.js';
import type { Outcome } from './node-requests.js';

/** The outcome of a request to a node. A silent node is listed, and not waited for. */
export interface NodeAnswer {
  readonly id: string;
  readonly status: 'ok' | 'timeout' | 'error';
  /** Its number of connections, independent of the filter. For a silent node, the number in its last report. */
  readonly connections: number;
  /** The age of that number in milliseconds. */
  readonly ageMs: number;
}

/**
 * The outcome of each node. For a silent node, its last report is used.
 * @param own This node, which has always replied.
 * @param requested The other nodes, as their leases describe them.
 */
export function nodeAnswers(
  own: ClusterNode,
  requested: readonly ClusterNode[],
  outcomes: ReadonlyMap<string, Outcome<{ readonly connections: number }>>,
): NodeAnswer[] {
  const others = requested.map(({ id: nodeId, connections, ageMs }): NodeAnswer => {
    const outcome = outcomes.get(nodeId);
    if (outcome?.status === 'ok') {
      return { id: nodeId, status: 'ok', connections: outcome.body.connections, ageMs: 0 };
    }
    return { id: nodeId, status: outcome?.status ?? 'timeout', connections, ageMs };
  });
  return [{ id: own.id, status: 'ok', connections: own.connections, ageMs: 0 }, ...others];
}
