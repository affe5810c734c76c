import type { ConnectionView } from '../connection/listing/connection-view.js';
import type { SortOrder } from '../connection/listing/sort-order.js';
import type { ConnectionFilter } from '../connection/listing/connection-filter.js';
import type { Position, SortKey } from '../connection/listing/connection-query.js';

/** What a node said when it was asked; one that is silent is named, not waited for. */
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
 * some page before and have rows to make up for.
 */
export interface ClusterPosition {
  /** Null when nobody has answered yet. */
  readonly at: Position | null;
  /** Nodes that go on from elsewhere; null from their beginning. */
  readonly behind: readonly (readonly [nodeId: string, after: Position | null])[];
}

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
 * say in time, so it may or may not happen. `not-found`: no living node has it.
 */
export type KickOutcome = 'closing' | 'already-closing' | 'unconfirmed' | 'not-found';

/** What became of a kick of all that match a filter. */
export interface BulkKick {
  /** Connections whose close has begun, or, of more than some thousand, begins in the next moments. */
  readonly kicked: number;
  /** Those that were closing already. */
  readonly failed: number;
  readonly nodes: readonly NodeAnswer[];
}
