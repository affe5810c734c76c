import { z } from 'zod';

import { TRANSPORT_NAMES } from '../transport.js';
import { wireCount, wireId, wireText } from '../../base/wire-values.js';

/** `probing`: a ping is unanswered. `closing`: a close was begun and has not ended. */
const connectionState = z.enum(['open', 'probing', 'closing']);
export type ConnectionState = z.output<typeof connectionState>;

const transport = z.enum(TRANSPORT_NAMES);

const time = (description: string) => wireText.meta({ description, format: 'date-time' });

/** By reference: a copy by `zod` would lose the label `__proto__`. */
const labels = z.custom<Readonly<Record<string, string>>>(
  given => z.record(z.string(), z.string()).safeParse(given).success,
);

/**
 * The schema of a connection's view. The TypeScript types, the check of data from other nodes, and the description of the admin API are
 * derived from it.
 */
export const connectionView = z.object({
  id: wireId.meta({ description: "Unique over all nodes and boots; begins with its node's id." }),
  /** The id of the node that holds it. */
  node: wireId.meta({ description: 'The id of the node that holds it.' }),
  path: wireText.meta({ description: 'The path of its gateway.' }),
  ip: wireText.meta({ description: "The client's address." }),
  userId: wireText.nullable().meta({ description: 'Null for an anonymous client.' }),
  labels: labels.meta({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Texts by which it can be found.',
  }),
  state: connectionState.meta({ description: '`probing`: a ping is unanswered; `closing`: the close has begun.' }),
  openedAt: time('When the upgrade was answered.'),
  /** The time at which bytes from the client were last noticed. */
  lastSeenAt: time('When bytes from the client were last noticed.'),
  /** The time of the last application message; null before the first. */
  lastMessageAt: time('When its last application message came; null before the first.').nullable(),
  /** Round trip of the last answered ping; null before the first. */
  rttMs: z.number().nullable().meta({ description: 'Round trip of the last answered ping; null before the first.' }),
  missedPongs: wireCount.meta({ description: 'Pings in a row that were not answered.' }),
  /** Bytes written to the socket that still wait in this process. */
  bufferedBytes: wireCount.meta({ description: 'Bytes that wait to be sent.' }),
  messagesIn: wireCount.meta({ description: 'Application messages from the client.' }),
  messagesOut: wireCount.meta({ description: 'Application messages to the client.' }),
  bytesIn: wireCount.meta({ description: 'Bytes from the client.' }),
  bytesOut: wireCount.meta({ description: 'Bytes to the client.' }),
  userAgent: wireText.nullable().meta({ description: 'As the client sent it; null without one.' }),
  /** Whether the client uses the application heartbeat. */
  appHeartbeat: z.boolean().meta({ description: 'Whether it uses the application heartbeat.' }),
  /** Nodes of an earlier version, which have gateways only, do not send it. */
  transport: transport.default('ws').meta({ description: '`other`: a server of the application.' }),
  /** Nodes of an earlier version do not send it. */
  busy: wireCount.default(0).meta({ description: 'Handlers in flight, and leases of `busy` in force.' }),
  /** Present while a client of Socket.IO uses HTTP polling. */
  polling: z.literal(true).optional().meta({ description: 'Present while a client of Socket.IO uses HTTP polling.' }),
});
/** A connection in a response: docs/http-api.md. Times are ISO 8601 UTC. */
export interface ConnectionView extends Readonly<z.output<typeof connectionView>> {}

const flightEntry = z
  .object({
    at: time('When.'),
    what: wireText.meta({ description: 'A sentence, on one line.' }),
    kind: wireText.optional().meta({ description: 'The kind of the entry; absent from a node of an older version.' }),
  })
  .catchall(z.union([wireText, z.number(), z.null()]));
/** One entry of a flight record: what happened to the connection, and when. */
export interface FlightEntry {
  /** ISO 8601 UTC. */
  readonly at: string;
  /** A sentence, on one line. */
  readonly what: string;
  /** The kind of the entry, such as `missed`: docs/operations/why-was-i-disconnected.md. Absent from a node of an older version. */
  readonly kind?: string | undefined;
  /** The numbers and texts of its kind. Texts are as the client, the operator or the application sent them. */
  readonly [detail: string]: string | number | null | undefined;
}

const entries: z.ZodType<readonly FlightEntry[]> = z.array(flightEntry);
const flight = entries.meta({ description: 'The notable moments of the connection, oldest first.' });

/** A view with the flight record. */
export const connectionDetail = connectionView.extend({ flight });
/** One connection with its flight record. */
export interface ConnectionDetail extends Readonly<z.output<typeof connectionDetail>> {}

/** A view with the end, its reason in a sentence, and the flight record. */
export const closedView = connectionView.extend({
  closedAt: time('When it ended.'),
  durationMs: z.number().meta({ type: 'integer', minimum: 0, description: 'How long it was open.' }),
  code: z.number().meta({ type: 'integer', description: 'The close code (RFC 6455, section 7.4).' }),
  reason: wireText.meta({ description: 'The text beside the code.' }),
  closedBy: z.enum(['client', 'server', 'operator', 'network']).meta({ description: 'Closing side.' }),
  /** Why it ended, in one sentence; absent from a node of an older version. */
  verdict: wireText.optional().meta({
    description: 'Why it ended, in one sentence; absent from a node of an older version.',
  }),
  flight,
});
/** A connection that has ended: its last view, how it ended, and what went before. */
export interface ClosedView extends Readonly<z.output<typeof closedView>> {}

/** The same as other nodes send them: a newer version may add members. */
export const viewFromWire: z.ZodType<ConnectionView> = connectionView.loose();
export const detailFromWire: z.ZodType<ConnectionDetail> = connectionDetail.loose();
export const closedFromWire: z.ZodType<ClosedView> = closedView.loose();
