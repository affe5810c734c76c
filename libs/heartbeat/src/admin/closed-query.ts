import { z } from 'zod';

import type { ClosedFilter } from '../connection/history/closed-filter.js';
import { MAX_PAGE } from '../connection/listing/connection-query.js';
import { addressParameter, userParameter } from '../http/connection-parameters.js';
import { encodeCursor } from '../http/cursor.js';
import { markRead, nodeParameter, oneOf, parameters, time, wholeNumber, withDefault } from '../http/query-parameter.js';
import { pageCursor, placeOf } from './admin-query.js';

const query = parameters({
  limit: withDefault(
    wholeNumber(1, MAX_PAGE),
    50,
    `Items on a page, from 1 to ${MAX_PAGE}; a page of long flight records may have fewer.`,
  ),
  cursor: pageCursor(),
  node: nodeParameter(),
  code: wholeNumber(1000, 4999).optional().meta({ description: 'The recorded close code.' }),
  by: oneOf(['client', 'server', 'operator', 'network']).optional().meta({ description: 'The side that closed.' }),
  user: userParameter(),
  ip: addressParameter(),
  since: time().optional().meta({ description: 'Closed at this time or later, in ISO 8601 with its offset.' }),
});

/** The query of a page of closed connections. */
export interface ClosedRequest {
  readonly limit: number;
  /** The id of the last item of the page before. */
  readonly after: string | null;
  /** An id or a name; undefined for the queried node. */
  readonly node: string | undefined;
  readonly filter: ClosedFilter;
  /** The cursor of the page after this item. */
  cursorTo(id: string): string;
}

/** `GET closed`, newest first. */
export const closedQuery = query.transform(({ limit, cursor, node, since, ...rest }, context): ClosedRequest => {
  const filter = since === undefined ? rest : { ...rest, since: Date.parse(since) };
  // The schema returns its parameters in a fixed order, independent of the URL. Without a filter it is the scope of older nodes.
  const scope = ['closed', node ?? null, ...(Object.keys(filter).length === 0 ? [] : [filter])];
  const after = placeOf(cursor, scope, z.string(), context);
  return markRead({ limit, after, node, filter, cursorTo: (id: string) => encodeCursor(id, scope) });
});
