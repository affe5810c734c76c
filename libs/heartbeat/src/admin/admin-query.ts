import { z } from 'zod';

import { type ClusterPosition, clusterPosition, type ClusterQuery } from '../cluster/cluster-answers.js';
import type { ConnectionFilter } from '../connection/listing/connection-filter.js';
import { MAX_PAGE, SORT_KEYS } from '../connection/listing/connection-query.js';
import {
  addressParameter,
  gatherLabels,
  labelParameters,
  LABELS,
  pathParameter,
  text,
  transportParameter,
  userParameter,
} from '../http/connection-parameters.js';
import { decodeCursor, encodeCursor } from '../http/cursor.js';
import {
  markRead,
  oneOf,
  parameter,
  parameters,
  trueOrFalse,
  wholeNumber,
  withDefault,
} from '../http/query-parameter.js';

/** Maximum length of the reason in a close frame, in bytes of UTF-8 (RFC 6455, section 5.5). */
const MAX_REASON_BYTES = 123;
const CURSOR_RULE =
  'does not belong to this listing, or is damaged: leave it out to begin anew, and keep sort, order and filter from page to page';

export const pageLimit = () => withDefault(wholeNumber(1, MAX_PAGE), 50, `Items on a page, from 1 to ${MAX_PAGE}.`);
export const pageCursor = () =>
  text('`nextCursor` of the page before; good for the same sort, order and filter only, at any node.');

function atLeast(description: string) {
  return wholeNumber(0).optional().meta({ description });
}

const list = parameters({
  limit: pageLimit(),
  cursor: pageCursor(),
  sort: withDefault(
    oneOf(SORT_KEYS),
    'openedAt',
    'The value to sort by. Only `openedAt` never changes, so that no row shows twice or is left out.',
  ),
  order: withDefault(oneOf(['asc', 'desc']), 'asc', 'Rows that have no value yet come last in either order.'),
  user: userParameter(),
  ip: addressParameter(),
  path: pathParameter(),
  node: text("A node's id or name."),
  state: oneOf(['open', 'probing', 'closing'])
    .optional()
    .meta({ description: '`probing`: a ping is unanswered; `closing`: the close has begun.' }),
  transport: transportParameter(),
  minIdleMs: atLeast('No application message in either direction for at least this long.'),
  minAgeMs: atLeast('Opened at least this long ago.'),
  minRttMs: atLeast('The last round trip took at least this long.'),
  minBufferedBytes: atLeast('At least so many bytes wait to be sent.'),
  [LABELS]: labelParameters(),
});

/** The query of a listing, and the cursor of its next page. */
export interface ListRequest extends Required<ClusterQuery> {
  /** The cursor of the page after this position. */
  cursorTo(end: ClusterPosition): string;
}

/** `GET connections`. */
export const listQuery = z.preprocess(gatherLabels, list).transform((query, context): ListRequest => {
  const { limit, cursor, sort, order, [LABELS]: labels, ...rest } = query;
  const filter: ConnectionFilter = labels === undefined ? rest : { ...rest, labels };
  // The schema returns its parameters in a fixed order, independent of the URL. Labels have the order of the URL.
  const scope = [
    sort,
    order,
    rest,
    Object.entries(labels ?? {}).toSorted(([left], [right]) => (left < right ? -1 : 1)),
  ];
  const after = placeOf(cursor, scope, clusterPosition, context);
  return markRead({ filter, sort, order, limit, after, cursorTo: end => encodeCursor(end, scope) });
});

const BAN_KEYS = 'kind, value, forMs, reason and force';
const KINDS = ['user', 'ip', 'cidr'] as const;

/** `GET bans`, in the order of their ids. */
export const bansQuery = parameters({
  limit: pageLimit(),
  cursor: pageCursor(),
  kind: oneOf(KINDS).optional().meta({ description: 'Bans of this kind only.' }),
  value: text("Bans of this user's id, address or CIDR only; an address or a CIDR in any spelling."),
}).transform(({ limit, cursor, ...filter }, context) => {
  const scope = ['bans', filter.kind ?? null, filter.value ?? null];
  const after = placeOf(cursor, scope, z.string(), context);
  return markRead({ limit, after, ...filter, cursorTo: (id: string) => encodeCursor(id, scope) });
});

/** `DELETE connections/:id`. */
export const kickQuery = parameters({
  reason: parameter(
    z
      .string()
      .refine(
        reason => Buffer.byteLength(reason) <= MAX_REASON_BYTES,
        `must be at most ${MAX_REASON_BYTES} bytes of UTF-8, which is what a close frame can carry`,
      ),
  )
    .optional()
    .meta({
      description:
        'Sent to the client in the close frame, at most 123 bytes of UTF-8. Without one: `kicked`, or `reconnect`.',
    }),
  reconnect: withDefault(
    trueOrFalse(),
    false,
    'Close with 4005 and an advised delay, so that the client reconnects, instead of 4500.',
  ),
  banForMs: wholeNumber(1).optional().meta({
    description: 'Also ban its user for this long, or its address where it is anonymous. Not with `reconnect`.',
  }),
}).transform(({ reason, reconnect, banForMs }, context) => {
  if (reconnect && banForMs !== undefined) {
    const message = 'must not be given with reconnect: a banned client cannot reconnect';
    context.addIssue({ code: 'custom', path: ['banForMs'], message });
  }
  return markRead({ reconnect, ...(reason !== undefined && { reason }), ...(banForMs !== undefined && { banForMs }) });
});

/** The position of the cursor, or an issue about it. */
export function placeOf<Schema extends z.ZodType>(
  cursor: string | undefined,
  scope: unknown,
  schema: Schema,
  context: z.core.$RefinementCtx,
): z.output<Schema> | null {
  if (cursor === undefined) return null;
  const place = decodeCursor(cursor, scope, schema);
  if (place === null) context.addIssue({ code: 'custom', path: ['cursor'], message: CURSOR_RULE });
  return place;
}

/** `POST bans`. The ban list checks whether the value is of its kind. */
export const banBody = z.strictObject(
  {
    kind: z.enum(KINDS, 'must be one of user, ip, cidr'),
    value: z.string('must be a text').min(1, 'must not be empty').max(1000, 'must be at most 1000 characters'),
    forMs: z.number('must be a whole number of milliseconds above 0'),
    reason: z
      .string('must be a text')
      .refine(
        reason => Buffer.byteLength(reason) <= MAX_REASON_BYTES,
        `must be at most ${MAX_REASON_BYTES} bytes of UTF-8`,
      )
      .optional(),
    force: z
      .boolean('must be true or false')
      .optional()
      .meta({ description: 'True also takes a ban that is too wide: see the problem `ban-too-wide`.' }),
  },
  {
    error: ({ code }) =>
      code === 'unrecognized_keys'
        ? `is not a key of a ban, which has ${BAN_KEYS}`
        : `must be an object: the body is JSON with ${BAN_KEYS}`,
  },
);
