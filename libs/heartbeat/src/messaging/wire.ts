import { z } from 'zod';

import { MAX_PAGE, SORT_KEYS } from '../connection/listing/connection-query.js';
import { filterFromWire as filter, filterOnWire } from '../connection/listing/filter-codec.js';

/** What nodes say to each other. Another version is not understood, and so dropped: a list then names its node as silent. */
const VERSION = 1;

/** Nothing of ours is longer: a page of 500 connections has some 350 kB. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

const text = z.string().max(100_000);
const id = z.string().min(1).max(300);
const count = z.number().int().min(0);
const serial = z.string().regex(/^[0-9a-z]{8}$/);
/** By reference: a copy by `zod` would lose the label `__proto__`. */
const labels = z.custom<Readonly<Record<string, string>>>(
  given => z.record(z.string(), z.string()).safeParse(given).success,
);

const position = z.object({ key: z.number().nullable(), id });
/** Also what a cursor holds. */
export const clusterPosition = z.object({
  at: position.nullable(),
  behind: z
    .array(z.tuple([id, position.nullable()]).readonly())
    .max(10_000)
    .readonly(),
});

const kick = z.object({ reason: text.optional(), reconnect: z.boolean().optional(), by: text.optional() });

const view = z.looseObject({
  id,
  node: id,
  path: text,
  ip: text,
  userId: text.nullable(),
  labels,
  state: z.enum(['open', 'probing', 'closing']),
  openedAt: text,
  lastSeenAt: text,
  lastMessageAt: text.nullable(),
  rttMs: z.number().nullable(),
  missedPongs: count,
  bufferedBytes: count,
  messagesIn: count,
  messagesOut: count,
  bytesIn: count,
  bytesOut: count,
  userAgent: text.nullable(),
  appHeartbeat: z.boolean(),
});

const listRequest = z.object({
  filter,
  sort: z.enum(SORT_KEYS),
  order: z.enum(['asc', 'desc']),
  limit: z.number().int().min(1).max(MAX_PAGE),
  after: clusterPosition.nullable(),
});
const flight = z.array(z.object({ at: text, what: text }));
const closed = z.looseObject({
  ...view.shape,
  closedAt: text,
  durationMs: z.number(),
  code: z.number(),
  reason: text,
  closedBy: z.enum(['client', 'server', 'operator', 'network']),
  flight,
});
const finding = z.object({
  id: text,
  severity: z.enum(['ok', 'info', 'warn', 'error']),
  title: text,
  evidence: text,
  why: text,
  remedy: text,
});

/** What may be asked of a node, and what it answers. */
export const OPERATIONS = {
  list: {
    request: listRequest,
    reply: z.object({
      rows: z.array(z.object({ key: z.number().nullable(), item: view })).max(MAX_PAGE),
      hasMore: z.boolean(),
      total: count,
      connections: count,
    }),
  },
  /** As `list`, without the rows: what they are sorted by, and the end of their ids after that of the node. */
  keys: {
    request: listRequest,
    reply: z.object({
      keys: z.array(z.tuple([z.number().nullable(), serial])).max(MAX_PAGE),
      hasMore: z.boolean(),
      total: count,
      connections: count,
    }),
  },
  /** Rows of a page, in the order of the ids; null where a connection has ended. */
  rows: {
    request: z.object({ ids: z.array(id).max(MAX_PAGE) }),
    reply: z.object({ items: z.array(view.nullable()).max(MAX_PAGE) }),
  },
  detail: {
    request: z.object({ id }),
    reply: z.looseObject({ ...view.shape, flight }).nullable(),
  },
  kick: {
    request: z.object({ id, kick }),
    reply: z.enum(['closing', 'already-closing', 'not-found']),
  },
  'kick-all': {
    request: z.object({ filter, kick }),
    reply: z.object({ kicked: count, failed: count, connections: count }),
  },
  closed: {
    request: z.object({ limit: z.number().int().min(1).max(MAX_PAGE), after: id.nullable() }),
    reply: z.object({ items: z.array(closed).max(MAX_PAGE), hasMore: z.boolean() }),
  },
  'closed-detail': { request: z.object({ id }), reply: closed.nullable() },
  doctor: { request: z.object({}), reply: z.object({ findings: z.array(finding) }) },
  'heap-snapshot': {
    request: z.object({}),
    reply: z.union([
      z.object({ file: text, bytes: count, durationMs: count }),
      z.object({
        reason: z.enum(['busy', 'too-soon', 'memory', 'disk']),
        detail: text,
        retryAfterSeconds: z.number(),
      }),
    ]),
  },
} as const;
export type Operation = keyof typeof OPERATIONS;
export type RequestOf<Name extends Operation> = z.output<(typeof OPERATIONS)[Name]['request']>;
export type ReplyOf<Name extends Operation> = z.output<(typeof OPERATIONS)[Name]['reply']>;

const message = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('request'),
    from: id,
    id,
    operation: z.enum(Object.keys(OPERATIONS) as [Operation, ...Operation[]]),
    body: z.unknown(),
  }),
  z.object({ kind: z.literal('reply'), from: id, id, isFailed: z.boolean(), body: z.unknown() }),
  /** To be sent to all that match; text, or bytes in base64. */
  z.object({ kind: z.literal('deliver'), from: id, filter, text: z.string().optional(), bytes: z.base64().optional() }),
  /** To be replaced: the connections of a user up to a serial. */
  z.object({ kind: z.literal('replace'), from: id, userId: text, serial: count }),
  /** The bans have changed. */
  z.object({ kind: z.literal('bans'), from: id }),
  /** This node has ended, and has nothing any more. */
  z.object({ kind: z.literal('left'), from: id }),
]);
const envelope = z.object({ version: z.literal(VERSION), message });
export type ClusterMessage = z.output<typeof message>;

/** @throws HeartbeatError `HEARTBEAT_BAD_QUERY` for a filter that would not arrive as it is. */
export function encode(sent: ClusterMessage): string {
  return JSON.stringify({ version: VERSION, message: onWire(sent) });
}

function onWire(sent: ClusterMessage): object {
  if (sent.kind === 'deliver') return { ...sent, filter: filterOnWire(sent.filter) };
  if (sent.kind !== 'request') return sent;
  const body = sent.body as RequestOf<'list' | 'kick-all' | 'kick'>;
  return 'filter' in body ? { ...sent, body: { ...body, filter: filterOnWire(body.filter) } } : sent;
}

/** What was said; null for anything that is not ours, too long, or of another version. */
export function decode(heard: string): ClusterMessage | null {
  // A character has at least one byte and at most three.
  if (heard.length > MAX_MESSAGE_BYTES) return null;
  try {
    const { success, data } = envelope.safeParse(JSON.parse(heard));
    return success ? data.message : null;
  } catch {
    return null;
  }
}

/** What a lease tells of its node. */
const summary = z.object({
  name: text,
  address: text,
  version: text,
  state: z.enum(['starting', 'up', 'draining']),
  connections: count,
  load: z.number(),
  intervalMs: z.number(),
  /** Whether it knows the operations `keys` and `rows`; older nodes do not say. */
  givesKeys: z.boolean().optional(),
});
export type Summary = z.output<typeof summary>;

export function decodeSummary(given: string): Summary | null {
  return parsedBy(summary, given);
}

const ban = z.object({ kind: z.enum(['user', 'ip', 'cidr']), value: text, reason: text });
export type BanText = z.output<typeof ban>;

export function decodeBan(given: string): BanText | null {
  return parsedBy(ban, given);
}

function parsedBy<Schema extends z.ZodType>(schema: Schema, given: string): z.output<Schema> | null {
  try {
    return schema.safeParse(JSON.parse(given)).data ?? null;
  } catch {
    return null;
  }
}
