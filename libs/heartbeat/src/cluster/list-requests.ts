import { z } from 'zod';

import { wireCount, wireId } from '../base/wire-values.js';
import { MAX_PAGE, SORT_KEYS } from '../connection/listing/connection-query.js';
import { viewFromWire } from '../connection/listing/connection-view.js';
import { filterFromWire } from '../connection/listing/filter-codec.js';
import { clusterPosition } from './cluster-answers.js';

const request = z.object({
  filter: filterFromWire,
  sort: z.enum(SORT_KEYS),
  order: z.enum(['asc', 'desc']),
  limit: z.number().int().min(1).max(MAX_PAGE),
  after: clusterPosition.nullable(),
});
export type ListRequest = z.output<typeof request>;

/** The value by which a row is sorted. */
const key = z.number().nullable();
const serial = z.string().regex(/^[0-9a-z]{8}$/);
const page = { hasMore: z.boolean(), total: wireCount, connections: wireCount };

/** Whole rows, for nodes of older versions. */
export const LIST = {
  request,
  reply: z.object({ rows: z.array(z.object({ key, item: viewFromWire })).max(MAX_PAGE), ...page }),
};
export type ListReply = z.output<typeof LIST.reply>;

/** Like `LIST`, without the rows: the values by which they are sorted, and the part of their ids after the node's id. */
export const KEYS = {
  request,
  reply: z.object({ keys: z.array(z.tuple([key, serial])).max(MAX_PAGE), ...page }),
};
export type KeysReply = z.output<typeof KEYS.reply>;

/** Rows of a page, in the order of the ids; null where a connection has ended. */
export const ROWS = {
  request: z.object({ ids: z.array(wireId).max(MAX_PAGE) }),
  reply: z.object({ items: z.array(viewFromWire.nullable()).max(MAX_PAGE) }),
};
