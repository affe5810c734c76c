import { z } from 'zod';

import { wireId } from '../base/wire-values.js';
import type { ConnectionView } from '../connection/listing/connection-view.js';
import type { SortOrder } from '../connection/listing/sort-order.js';
import type { ConnectionFilter } from '../connection/listing/connection-filter.js';
import type { Position, SortKey } from '../connection/listing/connection-query.js';
import type { ClusterNode } from '../messaging/cluster-node.js';
import type { Outcome } from '../messaging/node-requests.js';

/** The outcome of a request to a node; a silent node is named, not waited for. */
export interface NodeAnswer {
  readonly id: string;
  readonly status: 'ok' | 'timeout' | 'error';
  /** All its connections, whatever the filter; of a silent node those of its last report. */
  readonly connections: number;
  /** How old that number is. */
  readonly ageMs: number;
}

/**
 * A place in a listing over many nodes: one position for each. Every node goes on after `at`, except those that were silent on
 * an earlier page and have rows to make up for.
 */
export interface ClusterPosition {
  /** Null before the first row. */
  readonly at: Position | null;
  /** Nodes that go on from elsewhere; null from their beginning. */
  readonly behind: readonly (readonly [nodeId: string, after: Position | null])[];
}

const position = z.object({ key: z.number().nullable(), id: wireId });
/** A place in a listing, as requests and cursors contain it. */
export const clusterPosition = z.object({
  at: position.nullable(),
  behind: z
    .array(z.tuple([wireId, position.nullable()]).readonly())
    .max(10_000)
    .readonly(),
}) satisfies z.ZodType<ClusterPosition>;

export interface ClusterQuery {
  readonly filter?: ConnectionFilter;
  /** Default: `openedAt`. */
  readonly sort?: SortKey;
  /** Default: `asc`. */
  readonly order?: SortOrder;
  /** Default: 50. */
  readonly limit?: number;
  /** The `end` of the page before. Default: the first page. */
  readonly after?: ClusterPosition | null;
}

export interface ClusterPage {
  readonly items: readonly ConnectionView[];
  /** Where the next page begins; null on the last. */
  readonly end: ClusterPosition | null;
  /** How many match on the nodes that answered, on all pages. */
  readonly total: number;
  readonly nodes: readonly NodeAnswer[];
}

/**
 * How a kick ended. `closing`: its close has begun. `already-closing`: it had begun before. `unconfirmed`: its node did not
 * confirm it in time, so it may or may not happen. `not-found`: no living node has it.
 */
export type KickOutcome = 'closing' | 'already-closing' | 'unconfirmed' | 'not-found';

/** The result of a kick of all that match a filter. */
export interface BulkKick {
  /** Connections whose close has begun, or, of more than some thousand, begins in the next moments. */
  readonly kicked: number;
  /** Those that were closing already. */
  readonly failed: number;
  readonly nodes: readonly NodeAnswer[];
}

/**
 * The answer of each node; of a silent node its last report.
 * @param own This node, which has always answered.
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
