import { z } from 'zod';

import { wireId } from '../base/wire-values.js';
import type { Kick } from '../connection/connection.types.js';
import type { ConnectionView } from '../connection/listing/connection-view.js';
import type { SortOrder } from '../connection/listing/sort-order.js';
import type { ConnectionFilter } from '../connection/listing/connection-filter.js';
import type { Position, SortKey } from '../connection/listing/connection-query.js';
import type { NodeAnswer } from '../messaging/node-answers.js';

/**
 * A position in a listing over many nodes, which contains one for each node. Every node continues after `at`, except those that were silent
 * on an earlier page and still have rows of it.
 */
export interface ClusterPosition {
  /** Null before the first row. */
  readonly at: Position | null;
  /** Nodes that continue after another position; null for their beginning. */
  readonly behind: readonly (readonly [nodeId: string, after: Position | null])[];
}

const position = z.object({ key: z.number().nullable(), id: wireId });
/** A position in a listing, as requests and cursors contain it. */
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
  /** The `end` of the previous page. Default: the first page. */
  readonly after?: ClusterPosition | null;
}

export interface ClusterPage {
  readonly items: readonly ConnectionView[];
  /** The position of the next page; null on the last page. */
  readonly end: ClusterPosition | null;
  /** The number of matches on the nodes that replied, on all pages. */
  readonly total: number;
  readonly nodes: readonly NodeAnswer[];
}

/**
 * The outcome of a kick. `closing`: its close has begun. `already-closing`: its close had begun before. `unconfirmed`: its node did not
 * confirm it in time, so it may or may not happen. `not-found`: no living node has the connection.
 */
export type KickOutcome = 'closing' | 'already-closing' | 'unconfirmed' | 'not-found';

/** The parameters of a kick on any node. */
export interface ClusterKick extends Kick {
  /**
   * Also bans the user of the connection for this long, or its address where it is anonymous. The kicked connection still gets 4500, others
   * that the ban matches get 4501. Not with `reconnect`. Default: no ban.
   */
  readonly banForMs?: number;
}

/** The result of a kick of all connections that match a filter. */
export interface BulkKick {
  /** Connections whose close has begun, or for more than some thousand begins in the next moments. */
  readonly kicked: number;
  /** Connections that were already closing. */
  readonly failed: number;
  readonly nodes: readonly NodeAnswer[];
}
